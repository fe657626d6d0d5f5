package edgeemb;

import java.io.File;
import java.io.IOException;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.Module;
import org.pytorch.executorch.Tensor;

/** ExecuTorch. It opens the program as a file and maps it. */
final class RuntimeEngine implements Engine {
    private final Module module;
    private final ModelInfo info;

    private RuntimeEngine(Module module, ModelInfo info) {
        this.module = module;
        this.info = info;
    }

    static Engine open(Assets assets, ModelInfo info) throws IOException {
        File program = new File(assets.install(info), "model.pte");
        try {
            return new RuntimeEngine(Module.load(program.getPath(), Module.LOAD_MODE_MMAP), info);
        } catch (RuntimeException error) {
            throw new IOException("ExecuTorch cannot load " + info.name + " (" + error.getMessage() + ")", error);
        }
    }

    @Override
    public float[][] run(long[][] inputs) {
        EValue[] feeds = new EValue[inputs.length];
        for (int number = 0; number < inputs.length; ++number) {
            feeds[number] = EValue.from(tensor(inputs[number], info.types[number], inputs[1].length));
        }
        EValue[] found = module.forward(feeds);
        float[][] outputs = new float[info.outputs.length][];
        for (int number = 0; number < outputs.length; ++number) {
            outputs[number] = values(found[number].toTensor(), info.outputTypes[number]);
        }
        return outputs;
    }

    private static float[] values(Tensor tensor, String type) {
        if (!type.equals("int64")) {
            return tensor.getDataAsFloatArray();
        }
        long[] whole = tensor.getDataAsLongArray();
        float[] output = new float[whole.length];
        for (int place = 0; place < output.length; ++place) {
            output[place] = whole[place];
        }
        return output;
    }

    private static Tensor tensor(long[] values, String type, int tokens) {
        if (!type.equals("uint8")) {
            return Tensor.fromBlob(values, new long[] {1, values.length});
        }
        byte[] bytes = new byte[values.length];
        for (int place = 0; place < bytes.length; ++place) {
            bytes[place] = (byte) values[place];
        }
        return Tensor.fromBlobUnsigned(bytes, new long[] {1, tokens, bytes.length / tokens});
    }

    @Override
    public void close() {
        module.destroy();
    }
}
