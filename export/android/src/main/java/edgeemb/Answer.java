package edgeemb;

/** A part of a text that answers a question. */
public final class Answer {
    /** The part. */
    public final String text;
    /** Its first char in the text. */
    public final int start;
    /** The char after its last. */
    public final int end;
    /** Its probability. */
    public final float score;

    Answer(String text, int start, int end, float score) {
        this.text = text;
        this.start = start;
        this.end = end;
        this.score = score;
    }

    @Override
    public String toString() {
        return text + " " + score;
    }
}
