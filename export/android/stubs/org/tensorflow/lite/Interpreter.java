package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.util.Map;

public class Interpreter implements AutoCloseable {
    public Interpreter(ByteBuffer model, Options options) {
        if (model == null) {
            throw new UnsupportedOperationException();
        }
    }

    public String[] getSignatureKeys() {
        throw new UnsupportedOperationException();
    }

    public Tensor getInputTensorFromSignature(String input, String signature) {
        throw new UnsupportedOperationException();
    }

    public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String signature) {}

    @Override
    public void close() {}

    public static class Options {
        /** The delegate that was added last. */
        public static Delegate given;

        public Options addDelegate(Delegate delegate) {
            given = delegate;
            return this;
        }
    }
}
