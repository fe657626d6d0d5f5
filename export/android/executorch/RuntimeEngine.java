package edgeemb;

import java.io.File;
import java.io.IOException;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.Module;
import org.pytorch.executorch.Tensor;

/** ExecuTorch. It opens the program as a file and maps it. */
final class RuntimeEngine implements Engine {
    private final Module module;

    private RuntimeEngine(Module module) {
        this.module = module;
    }

    static Engine open(Assets assets, ModelInfo info) throws IOException {
        File program = new File(assets.install(info), "model.pte");
        try {
            return new RuntimeEngine(Module.load(program.getPath(), Module.LOAD_MODE_MMAP));
        } catch (RuntimeException error) {
            throw new IOException("ExecuTorch cannot load " + info.name + " (" + error.getMessage() + ")", error);
        }
    }

    @Override
    public float[] run(long[][] inputs) {
        EValue[] feeds = new EValue[inputs.length];
        for (int number = 0; number < inputs.length; ++number) {
            feeds[number] = EValue.from(Tensor.fromBlob(inputs[number], new long[] {1, inputs[number].length}));
        }
        return module.forward(feeds)[0].toTensor().getDataAsFloatArray();
    }

    @Override
    public void close() {
        module.destroy();
    }
}
