package edgeemb;

/** Tokens of a text or of a pair of texts. */
public final class Tokens {
    /** Their ids. */
    public final int[] ids;
    /** 0, or 1 for tokens of the second text where the model tells them apart. */
    public final int[] types;
    /** 1 for tokens of the text, 2 for those of the second of a pair, 0 for those that the model wants around them. */
    public final int[] texts;
    /** Where the part of its text begins that a token stands for, in chars; 0 for tokens around a text. */
    public final int[] starts;
    /** Where that part ends. */
    public final int[] ends;
    /** Whether tokens were left out because there were too many. */
    public final boolean cut;

    Tokens(int[] ids, int[] types, int[] texts, int[] starts, int[] ends, boolean cut) {
        this.ids = ids;
        this.types = types;
        this.texts = texts;
        this.starts = starts;
        this.ends = ends;
        this.cut = cut;
    }

    /** The tokens [0, first), [from, to) and from last on. */
    Tokens without(int first, int from, int to, int last) {
        int count = first + to - from + ids.length - last;
        int[][] arrays = {ids, types, texts, starts, ends};
        for (int number = 0; number < arrays.length; ++number) {
            int[] kept = new int[count];
            System.arraycopy(arrays[number], 0, kept, 0, first);
            System.arraycopy(arrays[number], from, kept, first, to - from);
            System.arraycopy(arrays[number], last, kept, first + to - from, ids.length - last);
            arrays[number] = kept;
        }
        return new Tokens(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], true);
    }

    /** The tokens by which a text is continued, at most {@code limit}: its last ones, with those in front of it and without those after it. */
    Tokens ending(int limit) {
        int first = 0;
        while (first < ids.length && texts[first] == 0) {
            ++first;
        }
        int last = ids.length;
        while (last > first && texts[last - 1] == 0) {
            --last;
        }
        return without(first, Math.max(first, last - Math.max(0, limit - first)), last, ids.length);
    }

    /** Whether a text has a token of its own. */
    boolean isEmpty() {
        for (int text : texts) {
            if (text != 0) {
                return false;
            }
        }
        return true;
    }
}
