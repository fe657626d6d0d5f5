package edgeemb;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/** ONNX Runtime. It opens the model as a file, and maps the weights and tables in {@code model.data} beside it. */
final class RuntimeEngine implements Engine {
    private final OrtSession session;
    private final ModelInfo info;

    private RuntimeEngine(OrtSession session, ModelInfo info) {
        this.session = session;
        this.info = info;
    }

    static Engine open(Assets assets, ModelInfo info) throws IOException {
        File folder = assets.install(info);
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            // Without it sums of integers are wrong on x86 processors without VNNI, such as an emulator's.
            options.addConfigEntry("session.x64quantprecision", "1");
            if (info.abis.length > 0) {
                System.loadLibrary("edgeemb_onnxruntime");
                options.registerCustomOpLibrary("libedgeemb_onnxruntime.so");
            }
            return new RuntimeEngine(OrtEnvironment.getEnvironment().createSession(new File(folder, "model.onnx").getPath(), options), info);
        } catch (OrtException error) {
            throw new IOException("ONNX Runtime cannot load " + info.name + " (" + error.getMessage() + ")", error);
        }
    }

    @Override
    public float[][] run(long[][] inputs) {
        Map<String, OnnxTensor> feeds = new LinkedHashMap<>();
        try {
            for (int number = 0; number < inputs.length; ++number) {
                feeds.put(info.inputs[number], tensor(inputs[number], info.types[number], inputs[1].length));
            }
            try (OrtSession.Result result = session.run(feeds)) {
                float[][] outputs = new float[info.outputs.length][];
                for (int number = 0; number < outputs.length; ++number) {
                    outputs[number] = values((OnnxTensor) result.get(number), info.outputTypes[number]);
                }
                return outputs;
            }
        } catch (OrtException error) {
            throw new IllegalArgumentException("ONNX Runtime refused the inputs (" + error.getMessage() + ")", error);
        } finally {
            for (OnnxTensor feed : feeds.values()) {
                feed.close();
            }
        }
    }

    private static float[] values(OnnxTensor tensor, String type) {
        if (type.equals("int64")) {
            LongBuffer whole = tensor.getLongBuffer();
            float[] output = new float[whole.remaining()];
            for (int place = 0; place < output.length; ++place) {
                output[place] = whole.get(place);
            }
            return output;
        }
        FloatBuffer values = tensor.getFloatBuffer();
        float[] output = new float[values.remaining()];
        values.get(output);
        return output;
    }

    private static OnnxTensor tensor(long[] values, String type, int tokens) throws OrtException {
        if (type.equals("uint8")) {
            ByteBuffer bytes = ByteBuffer.allocateDirect(values.length).order(ByteOrder.nativeOrder());
            for (long value : values) {
                bytes.put((byte) value);
            }
            bytes.rewind();
            long[] box = {1, tokens, values.length / tokens};
            return OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), bytes, box, OnnxJavaType.UINT8);
        }
        long[] shape = {1, values.length};
        if (type.equals("int64")) {
            return OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), LongBuffer.wrap(values), shape);
        }
        int[] narrow = new int[values.length];
        for (int place = 0; place < values.length; ++place) {
            narrow[place] = (int) values[place];
        }
        return OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), IntBuffer.wrap(narrow), shape);
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException error) {
            throw new IllegalStateException("ONNX Runtime cannot close " + info.name + " (" + error.getMessage() + ")", error);
        }
    }
}
