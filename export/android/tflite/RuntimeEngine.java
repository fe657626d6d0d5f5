package edgeemb;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;

/** LiteRT's interpreter. The model is mapped out of the app; each length that it takes is a signature of its own. */
final class RuntimeEngine implements Engine {
    private final Interpreter interpreter;
    private final LookupDelegate delegate;
    private final ModelInfo info;

    private RuntimeEngine(Interpreter interpreter, LookupDelegate delegate, ModelInfo info) {
        this.interpreter = interpreter;
        this.delegate = delegate;
        this.info = info;
    }

    static Engine open(Assets assets, ModelInfo info) throws IOException {
        LookupDelegate delegate = info.abis.length > 0 ? new LookupDelegate() : null;
        RuntimeEngine engine = null;
        try {
            Interpreter.Options options = new Interpreter.Options();
            if (delegate != null) {
                options.addDelegate(delegate);
            }
            engine = new RuntimeEngine(new Interpreter(assets.map("model.tflite"), options), delegate, info);
            return engine;
        } catch (IllegalArgumentException error) {
            throw new IOException("LiteRT cannot load " + info.name + " (" + error.getMessage() + ")", error);
        } finally {
            if (engine == null && delegate != null) {
                delegate.close();
            }
        }
    }

    @Override
    public float[] run(long[][] inputs) {
        String signature = info.lengths.length > 0 ? "length_" + inputs[0].length : interpreter.getSignatureKeys()[0];
        Map<String, Object> feeds = new HashMap<>();
        for (int number = 0; number < inputs.length; ++number) {
            String input = info.inputs[number];
            boolean wide = interpreter.getInputTensorFromSignature(input, signature).dataType() == DataType.INT64;
            feeds.put(input, wide ? (Object) new long[][] {inputs[number]} : (Object) new int[][] {narrow(inputs[number])});
        }
        // A row for each token, or one.
        int tokens = inputs[1].length;
        float[][][] rows = new float[1][tokens][info.dim];
        float[][] row = new float[1][info.dim];
        Map<String, Object> outputs = new HashMap<>();
        outputs.put(info.output, info.perToken ? (Object) rows : (Object) row);
        interpreter.runSignature(feeds, outputs, signature);
        if (!info.perToken) {
            return row[0];
        }
        float[] output = new float[tokens * info.dim];
        for (int token = 0; token < tokens; ++token) {
            System.arraycopy(rows[0][token], 0, output, token * info.dim, info.dim);
        }
        return output;
    }

    private static int[] narrow(long[] values) {
        int[] narrow = new int[values.length];
        for (int place = 0; place < values.length; ++place) {
            narrow[place] = (int) values[place];
        }
        return narrow;
    }

    @Override
    public void close() {
        interpreter.close();
        if (delegate != null) {
            delegate.close();
        }
    }
}
