package edgeemb;

/** A token that a masked place of a text may hold. */
public final class Filling {
    /** The token as text. */
    public final String token;
    /** Its probability. */
    public final float score;

    Filling(String token, float score) {
        this.token = token;
        this.score = score;
    }

    @Override
    public String toString() {
        return token + " " + score;
    }
}
