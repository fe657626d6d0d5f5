package edgeemb;

/** A runtime with the model in it. */
public interface Engine extends AutoCloseable {
    /**
     * Runs the model on one text.
     *
     * @param inputs an array for each input of the model, in the order of {@link ModelInfo#inputs}; all of one length.
     * @return the first output, row by row.
     */
    float[] run(long[][] inputs);

    @Override
    void close();
}
