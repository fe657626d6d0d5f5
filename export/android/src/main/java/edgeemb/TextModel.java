package edgeemb;

import java.util.Arrays;

/** A text model: text in, vector or logits out. Threads may share one; they wait for each other while the runtime works. */
public final class TextModel implements AutoCloseable {
    private static final String POSITIONS = "position_ids";

    /** What the bundle says of the model. */
    public final ModelInfo info;
    private final Tokenizer tokenizer;
    private final Engine engine;
    private final Object running = new Object();
    private boolean closed;

    /**
     * Puts a model together; in an app, {@code Edgeemb.open} does.
     *
     * @param info what the bundle says of it.
     * @param tokenizer turns text into ids; null if the kit has none for the model.
     * @param engine runs it; is closed with the model.
     */
    public TextModel(ModelInfo info, Tokenizer tokenizer, Engine engine) {
        this.info = info;
        this.tokenizer = tokenizer;
        this.engine = engine;
    }

    /**
     * Vector or logits of a text.
     *
     * @param text the text; the end of one that is too long is cut off.
     * @return float[{@link ModelInfo#dim}].
     */
    public float[] encode(String text) {
        return encodeIds(tokenize(text));
    }

    /**
     * Ids of a text, as the model takes them.
     *
     * @param text the text; not empty.
     * @return the ids.
     */
    public int[] tokenize(String text) {
        if (tokenizer == null) {
            throw new UnsupportedOperationException(info.noTokenizer + ": make the ids yourself and call encodeIds");
        }
        if (isBlank(text)) {
            throw new IllegalArgumentException("the text is empty: its vector would mean nothing");
        }
        int longest = info.lengths.length > 0 ? Math.min(info.maxLength, info.lengths[info.lengths.length - 1]) : info.maxLength;
        return tokenizer.encode(info.prompt + text, longest).ids;
    }

    /**
     * Vector or logits of a text that is given by its ids.
     *
     * @param ids the ids, with those that the model wants around a text.
     * @return float[{@link ModelInfo#dim}].
     */
    public float[] encodeIds(int[] ids) {
        if (ids.length == 0) {
            throw new IllegalArgumentException("there are no ids: the vocabulary has none for the text");
        }
        float[] output;
        synchronized (running) {
            if (closed) {
                throw new IllegalStateException("the model is closed: open it again");
            }
            output = engine.run(inputs(ids));
        }
        if (output.length != info.dim) {
            throw new IllegalStateException("the model gave " + output.length + " values where the bundle says " + info.dim + ": copy it again");
        }
        return output;
    }

    /** What the model gets for some ids: the ids, filled up with the padding id, their mask, and zeros or positions for other inputs. */
    long[][] inputs(int[] ids) {
        int length = info.lengthFor(ids.length);
        long[][] inputs = new long[info.inputs.length][length];
        Arrays.fill(inputs[0], info.padId);
        for (int place = 0; place < ids.length; ++place) {
            inputs[0][place] = ids[place];
            inputs[1][place] = 1;
        }
        for (int number = 2; number < inputs.length; ++number) {
            for (int place = 0; place < length && info.inputs[number].equals(POSITIONS); ++place) {
                inputs[number][place] = place;
            }
        }
        return inputs;
    }

    /**
     * Runs the texts whose vectors the export knows.
     *
     * @param golden the texts.
     * @return the least cosine between what this phone gives and what the export got.
     */
    public float check(Golden golden) {
        float least = 1;
        for (int number = 0; number < golden.texts.length; ++number) {
            if (tokenizer != null && !Arrays.equals(tokenize(golden.texts[number]), golden.ids[number])) {
                throw new IllegalStateException("the tokenizer gives other ids than the export for: " + golden.texts[number]);
            }
            least = Math.min(least, Vectors.cosine(encodeIds(golden.ids[number]), golden.outputs[number]));
        }
        return least;
    }

    /** Gives back what the runtime holds. Closing again does nothing. */
    @Override
    public void close() {
        synchronized (running) {
            if (!closed) {
                closed = true;
                engine.close();
            }
        }
    }

    private static boolean isBlank(String text) {
        for (int at = 0; at < text.length(); ++at) {
            if (!Character.isWhitespace(text.charAt(at)) && !Character.isSpaceChar(text.charAt(at))) {
                return false;
            }
        }
        return true;
    }
}
