package edgeemb;

/** A runtime with the model in it. */
public interface Engine extends AutoCloseable {
    /**
     * Runs the model on one text.
     *
     * @param inputs an array for each input of the model, in the order of {@link ModelInfo#inputs}; all of one length, but without a vocabulary
     *     the first, which has some bytes for each token.
     * @return each of {@link ModelInfo#outputs}, row by row; integers as floats.
     */
    float[][] run(long[][] inputs);

    @Override
    void close();
}
