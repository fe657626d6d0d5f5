package edgeemb;

import java.util.Arrays;

/** How a model for a vector per token (ColBERT) reads a query, or a document. */
public final class Reading {
    /** What goes in front of the text. */
    public final String prompt;
    /** Tokens of the longest text; the end of a longer one is cut off. */
    public final int length;
    /** Tokens that a shorter text is filled up to, each with a vector of its own; 0 for no filling. */
    public final int expansion;
    /** Id of the token that it is filled up with. */
    public final int filler;
    /** Whether the other tokens attend to these. */
    public final boolean attend;
    /** Ids of tokens that get no vector, rising. */
    private final int[] skipped;

    Reading(String prompt, int length, int expansion, int filler, boolean attend, int[] skipped) {
        this.prompt = prompt;
        this.length = length;
        this.expansion = expansion;
        this.filler = filler;
        this.attend = attend;
        this.skipped = skipped;
    }

    /** The ids of a text, filled up. */
    int[] filled(int[] ids) {
        int[] filled = Arrays.copyOf(ids, Math.max(ids.length, expansion));
        Arrays.fill(filled, ids.length, filled.length, filler);
        return filled;
    }

    /** The rows of an output that are vectors of tokens. */
    float[][] vectors(int[] ids, float[] output, int dim) {
        float[][] found = new float[ids.length][];
        int count = 0;
        for (int place = 0; place < ids.length; ++place) {
            if (Arrays.binarySearch(skipped, ids[place]) < 0) {
                found[count++] = Arrays.copyOfRange(output, place * dim, (place + 1) * dim);
            }
        }
        return Arrays.copyOf(found, count);
    }
}
