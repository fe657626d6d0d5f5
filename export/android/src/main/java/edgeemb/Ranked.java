package edgeemb;

/** A text in the order of its score. */
public final class Ranked {
    /** Its place among the texts that were given. */
    public final int index;
    /** The text. */
    public final String text;
    /** How well it answers the query; higher is better. */
    public final float score;

    Ranked(int index, String text, float score) {
        this.index = index;
        this.text = text;
        this.score = score;
    }

    @Override
    public String toString() {
        return text + " " + score;
    }
}
