package edgeemb;

/** A class of a text, with its probability. */
public final class Label {
    /** Name of the class; its number where the model has no names. */
    public final String label;
    /** Its probability. */
    public final float score;

    Label(String label, float score) {
        this.label = label;
        this.score = score;
    }

    @Override
    public String toString() {
        return label + " " + score;
    }
}
