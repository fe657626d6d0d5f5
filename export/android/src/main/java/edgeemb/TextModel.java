package edgeemb;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A text model: text in, vectors, classes, labelled words, answers, or words that may follow or be filled in, out. Threads may share one; they wait for each other while the runtime works. */
public final class TextModel implements AutoCloseable {
    /** What the bundle says of the model. */
    public final ModelInfo info;
    private final Tokenizer tokenizer;
    private final Spellings spellings;
    private final Engine engine;
    private final Object running = new Object();
    private boolean closed;

    /**
     * Puts a model together; in an app, {@code Edgeemb.open} does.
     *
     * @param info what the bundle says of it.
     * @param tokenizer turns text into ids; null if the kit has none for the model.
     * @param spellings texts of tokens; null if no answer of the model names tokens.
     * @param engine runs it; is closed with the model.
     */
    public TextModel(ModelInfo info, Tokenizer tokenizer, Spellings spellings, Engine engine) {
        this.info = info;
        this.tokenizer = tokenizer;
        this.spellings = spellings;
        this.engine = engine;
    }

    /**
     * Vector or logits of a text.
     *
     * @param text the text; the end of one that is too long is cut off.
     * @return float[{@link ModelInfo#dim}].
     */
    public float[] encode(String text) {
        requireVectors();
        if (requireTokenizer().width > 0) {
            return encodeWords(words(text));
        }
        return run(Inputs.of(tokens(text, null), info));
    }

    /**
     * The vector of a text as an index stores it; {@link ModelInfo#vectors} compares two.
     *
     * @param text the text; the end of one that is too long is cut off.
     * @return byte[{@link VectorForm#bytes()}].
     */
    public byte[] encodeStored(String text) {
        if (info.vectors == null) {
            throw new UnsupportedOperationException("the model gives classes, not vectors: call encode");
        }
        return info.vectors.store(encode(text));
    }

    /**
     * Vector or logits of a pair of texts.
     *
     * @param text the first text.
     * @param pair the second; a token at a time is cut off the longer one where both are too long together.
     * @return float[{@link ModelInfo#dim}].
     */
    public float[] encode(String text, String pair) {
        requireVectors();
        if (!info.takesPairs || requireTokenizer().width > 0) {
            throw new IllegalArgumentException("the model takes single texts, not pairs: give each text by itself");
        }
        return run(Inputs.of(tokens(text, pair), info));
    }

    /**
     * The classes of a text, for a classifier.
     *
     * @param text the text.
     * @return all classes, the most probable first.
     */
    public Label[] classify(String text) {
        requireMethod("classify");
        return Answers.classes(encode(text), info);
    }

    /**
     * The classes of a pair of texts, for a classifier.
     *
     * @param text the first text.
     * @param pair the second.
     * @return all classes, the most probable first.
     */
    public Label[] classify(String text, String pair) {
        requireMethod("classify");
        return Answers.classes(encode(text, pair), info);
    }

    /**
     * Texts in the order in which they answer a query, for a cross-encoder or a multi-vector model (ColBERT).
     *
     * @param query the query.
     * @param texts the texts.
     * @return the texts, the best first.
     */
    public Ranked[] rank(String query, String[] texts) {
        float[][] asked = info.method.equals("encodeTokens") ? encodeTokens(query, true) : null;
        if (asked == null) {
            requireMethod("rank");
        }
        float[] logits = new float[texts.length];
        for (int number = 0; number < texts.length; ++number) {
            logits[number] = asked == null ? encode(query, texts[number])[0] : Vectors.maxSim(asked, encodeTokens(texts[number], false));
        }
        return Answers.ranked(texts, logits, info);
    }

    /**
     * The words of a text with their labels, for token classification.
     *
     * @param text the text; the words of its end have no label where it is too long.
     * @return the words in their order.
     */
    public Word[] labelWords(String text) {
        requireMethod("labelWords");
        check(text);
        Tokens tokens = requireTokenizer().encode(text, longest());
        return Answers.words(text, tokens, run(Inputs.of(tokens, info)), info);
    }

    /**
     * The parts of a text that answer a question, for question answering.
     *
     * @param question the question.
     * @param text where the answer is; one that does not fit beside the question is read in windows.
     * @param top answers, of which none lies over another.
     * @return the answers, the best first.
     */
    public Answer[] answer(String question, String text, int top) {
        requireMethod("answer");
        requireOne(top);
        check(question);
        check(text);
        List<Answer> best = new ArrayList<>();
        for (Tokens window : Questions.windows(requireTokenizer().encode(question, text, 0, Cut.LONGEST_FIRST), longest())) {
            float[][] logits = outputs(Inputs.of(window, info));
            best = Questions.joined(best, Questions.answers(text, window, logits[0], logits[1], top), top);
        }
        return best.toArray(new Answer[0]);
    }

    /**
     * What the masked places of a text may hold, for a masked language model.
     *
     * @param text the text, in which {@link ModelInfo#mask} marks one place or more.
     * @param top tokens for each place; at most {@link ModelInfo#dim} where the bundle gives the best alone.
     * @return for each place its tokens, the most probable first.
     */
    public Filling[][] fill(String text, int top) {
        requireMethod("fill");
        requireOne(top);
        Tokens tokens = tokens(text, null);
        float[][] outputs = outputs(Inputs.of(tokens, info));
        List<Filling[]> found = new ArrayList<>();
        for (int place = 0; place < tokens.ids.length; ++place) {
            if (tokens.ids[place] == info.maskId) {
                found.add(best(outputs, place, top));
            }
        }
        if (found.isEmpty()) {
            throw new IllegalArgumentException("the text has no masked place: write " + info.mask + " where a word is to be found");
        }
        return found.toArray(new Filling[0][]);
    }

    /**
     * The most probable tokens after a text, for a causal language model.
     *
     * @param text the text; of one that is too long, the end is read.
     * @param top tokens; at most {@link ModelInfo#dim} where the bundle gives the best alone.
     * @return the tokens, the most probable first.
     */
    public Filling[] nextTokens(String text, int top) {
        requireMethod("nextTokens");
        requireOne(top);
        check(text);
        Tokens tokens = requireTokenizer().encode(text, 0).ending(longest());
        return best(outputs(Inputs.of(tokens, info)), 0, top);
    }

    /**
     * A vector for each token of a text, for a multi-vector model (ColBERT); {@link Vectors#maxSim} compares a query with a document.
     *
     * @param text the text.
     * @param query whether it is a query; if not, it is a document.
     * @return float[tokens][{@link ModelInfo#dim}], with those tokens that the model wants around a text or fills a query up with.
     */
    public float[][] encodeTokens(String text, boolean query) {
        requireMethod("encodeTokens");
        check(text);
        Reading reading = query ? info.query : info.document;
        int[] ids = requireTokenizer().encode(reading.prompt + text, Math.min(reading.length, longest())).ids;
        int[] filled = reading.filled(ids);
        int attended = reading.attend ? filled.length : ids.length;
        return reading.vectors(filled, run(Inputs.of(filled, attended, null, info)), info.dim);
    }

    private Filling[] best(float[][] outputs, int place, int top) {
        if (outputs.length > 1 && top > info.dim) {
            throw new IllegalArgumentException("the model gives the " + info.dim + " best tokens of a place: ask for so many or fewer");
        }
        float[] tokens = outputs.length > 1 ? Arrays.copyOfRange(outputs[1], place * info.dim, (place + 1) * info.dim) : null;
        return Answers.fillings(Answers.probabilities(outputs[0], place * info.dim, info.dim, "softmax"), tokens, top, spellings);
    }

    /**
     * Ids of a text, as the model takes them.
     *
     * @param text the text; not empty.
     * @return the ids.
     */
    public int[] tokenize(String text) {
        return tokens(text, null).ids;
    }

    /**
     * Vector or logits of a text that is given by its ids.
     *
     * @param ids the ids, with those that the model wants around a text.
     * @return float[{@link ModelInfo#dim}]; so many for each id where the output has a row for each token.
     */
    public float[] encodeIds(int[] ids) {
        float[] output = run(Inputs.of(ids, ids.length, null, info));
        // What is filled up means nothing.
        return info.perToken ? Arrays.copyOf(output, ids.length * info.dim) : output;
    }

    /** Vector or logits of the bytes of words. */
    float[] encodeWords(byte[] words) {
        return run(Inputs.of(words, requireTokenizer().width, info));
    }

    /** The bytes of a text's words, for a model without a vocabulary. */
    byte[] words(String text) {
        check(text);
        return requireTokenizer().words(info.prompt + text, longest());
    }

    private Tokens tokens(String text, String pair) {
        check(text);
        if (pair != null) {
            check(pair);
        }
        Tokenizer open = requireTokenizer();
        if (open.width > 0) {
            throw new IllegalArgumentException("the model has no vocabulary, and so no ids: call encode");
        }
        // What goes in front of a text is for single texts, as in Python.
        return pair == null ? open.encode(info.prompt + text, longest()) : open.encode(text, pair, longest(), Cut.LONGEST_FIRST);
    }

    private void requireMethod(String method) {
        if (!info.method.equals(method)) {
            throw new IllegalStateException("the model is for " + info.kind + ": call " + info.method);
        }
    }

    private void requireVectors() {
        if (info.perToken) {
            throw new IllegalStateException("the model is for " + info.kind + ", which has no one row per text: call " + info.method);
        }
    }

    private Tokenizer requireTokenizer() {
        if (tokenizer == null) {
            throw new UnsupportedOperationException(info.noTokenizer + ": make the ids yourself and call encodeIds");
        }
        return tokenizer;
    }

    private int longest() {
        return info.lengths.length > 0 ? Math.min(info.maxLength, info.lengths[info.lengths.length - 1]) : info.maxLength;
    }

    private static void requireOne(int top) {
        if (top < 1) {
            throw new IllegalArgumentException("top=" + top + " is out of range: use 1 or more");
        }
    }

    private float[] run(long[][] inputs) {
        return outputs(inputs)[0];
    }

    private float[][] outputs(long[][] inputs) {
        float[][] outputs;
        synchronized (running) {
            if (closed) {
                throw new IllegalStateException("the model is closed: open it again");
            }
            outputs = engine.run(inputs);
        }
        int expected = info.perToken ? inputs[1].length * info.dim : info.dim;
        for (float[] output : outputs) {
            if (output.length != expected) {
                throw new IllegalStateException("the model gave " + output.length + " values where the bundle says " + expected + ": copy it again");
            }
        }
        return outputs;
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
            byte[] words = tokenizer != null && tokenizer.width > 0 ? words(golden.texts[number]) : null;
            int[] found = words != null ? widened(words) : tokenizer == null ? golden.ids[number] : tokenize(golden.texts[number]);
            if (!Arrays.equals(found, golden.ids[number])) {
                throw new IllegalStateException("the tokenizer gives other tokens than the export for: " + golden.texts[number]);
            }
            float[] output = words != null ? encodeWords(words) : encodeIds(found);
            least = Math.min(least, Vectors.cosine(output, golden.outputs[number]));
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

    private static int[] widened(byte[] values) {
        int[] wide = new int[values.length];
        for (int place = 0; place < wide.length; ++place) {
            wide[place] = values[place] & 0xff;
        }
        return wide;
    }

    private static void check(String text) {
        if (isBlank(text)) {
            throw new IllegalArgumentException("the text is empty: its vector would mean nothing");
        }
    }

    private static boolean isBlank(String text) {
        for (int at = 0; at < text.length(); ++at) {
            if (!Answers.isSpace(text.charAt(at))) {
                return false;
            }
        }
        return true;
    }
}
