package edgeemb;

/** A labelled word of a text. */
public final class Word {
    /** The word. */
    public final String text;
    /** Its first char in the text. */
    public final int start;
    /** The char after its last. */
    public final int end;
    /** Name of its class. */
    public final String label;
    /** The probability of that class. */
    public final float score;

    Word(String text, int start, int end, String label, float score) {
        this.text = text;
        this.start = start;
        this.end = end;
        this.label = label;
        this.score = score;
    }

    @Override
    public String toString() {
        return text + " " + label + " " + score;
    }
}
