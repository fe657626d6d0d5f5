package notes;

/** A passage that a search found. */
public final class Found {
    /** The passage. */
    public final Passage passage;
    /** How near it is to the query: a cosine in [-1, 1]. */
    public final float score;

    Found(Passage passage, float score) {
        this.passage = passage;
        this.score = score;
    }
}
