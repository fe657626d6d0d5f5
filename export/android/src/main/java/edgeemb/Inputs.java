package edgeemb;

import java.util.Arrays;

/** What a model gets for the tokens of a text: the tokens, the mask, and types or positions, filled up to a length that the model takes. */
final class Inputs {
    private static final String POSITIONS = "position_ids";

    private Inputs() {}

    static long[][] of(Tokens tokens, ModelInfo info) {
        return of(tokens.ids, tokens.ids.length, tokens.types, info);
    }

    /** For some ids, of which all attend to the first {@code attended} only; types are zeros where they are null. */
    static long[][] of(int[] ids, int attended, int[] types, ModelInfo info) {
        if (ids.length == 0) {
            throw new IllegalArgumentException("there are no ids: the vocabulary has none for the text");
        }
        int length = info.lengthFor(ids.length);
        long[] values = new long[length];
        Arrays.fill(values, info.padId);
        for (int place = 0; place < ids.length; ++place) {
            values[place] = ids[place];
        }
        return of(values, attended, length, types, info);
    }

    /** For the bytes of words, filled up with zeros. */
    static long[][] of(byte[] words, int width, ModelInfo info) {
        int count = words.length / width;
        int length = info.lengthFor(count);
        long[] values = new long[length * width];
        for (int place = 0; place < words.length; ++place) {
            values[place] = words[place] & 0xff;
        }
        return of(values, count, length, null, info);
    }

    private static long[][] of(long[] values, int count, int length, int[] types, ModelInfo info) {
        long[][] inputs = new long[info.inputs.length][length];
        inputs[0] = values;
        Arrays.fill(inputs[1], 0, count, 1);
        for (int number = 2; number < inputs.length; ++number) {
            boolean positions = info.inputs[number].equals(POSITIONS);
            for (int place = 0; place < (positions ? length : count); ++place) {
                inputs[number][place] = positions ? place : types == null ? 0 : types[place];
            }
        }
        return inputs;
    }
}
