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
    public float[][] run(long[][] inputs) {
        String signature = info.lengths.length > 0 ? "length_" + inputs[0].length : interpreter.getSignatureKeys()[0];
        Map<String, Object> feeds = new HashMap<>();
        for (int number = 0; number < inputs.length; ++number) {
            String input = info.inputs[number];
            boolean wide = interpreter.getInputTensorFromSignature(input, signature).dataType() == DataType.INT64;
            feeds.put(input, wide ? (Object) new long[][] {inputs[number]} : (Object) new int[][] {narrow(inputs[number])});
        }
        // A row for each token, or one; of numbers, or of a number each.
        int tokens = inputs[1].length;
        boolean rows = info.perToken && !info.singles;
        Map<String, Object> outputs = new HashMap<>();
        int size = info.singles ? tokens : info.dim;
        for (int number = 0; number < info.outputs.length; ++number) {
            boolean whole = info.outputTypes[number].equals("int64");
            outputs.put(info.outputs[number], whole ? wholes(rows, tokens, size) : floats(rows, tokens, size));
        }
        interpreter.runSignature(feeds, outputs, signature);
        float[][] found = new float[info.outputs.length][];
        for (int number = 0; number < found.length; ++number) {
            found[number] = flat(outputs.get(info.outputs[number]));
        }
        return found;
    }

    private static Object floats(boolean rows, int tokens, int size) {
        return rows ? new float[1][tokens][size] : new float[1][size];
    }

    private static Object wholes(boolean rows, int tokens, int size) {
        return rows ? new long[1][tokens][size] : new long[1][size];
    }

    /** The numbers of an output, row after row. */
    private static float[] flat(Object output) {
        if (output instanceof long[][][]) {
            return flat(floats(((long[][][]) output)[0]));
        }
        if (output instanceof long[][]) {
            return flat(floats((long[][]) output));
        }
        return flat(output instanceof float[][][] ? ((float[][][]) output)[0] : (float[][]) output);
    }

    private static float[] flat(float[][] rows) {
        float[] flat = new float[rows.length * rows[0].length];
        for (int row = 0; row < rows.length; ++row) {
            System.arraycopy(rows[row], 0, flat, row * rows[0].length, rows[0].length);
        }
        return flat;
    }

    private static float[][] floats(long[][] wholes) {
        float[][] floats = new float[wholes.length][wholes[0].length];
        for (int row = 0; row < wholes.length; ++row) {
            for (int place = 0; place < floats[row].length; ++place) {
                floats[row][place] = wholes[row][place];
            }
        }
        return floats;
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
