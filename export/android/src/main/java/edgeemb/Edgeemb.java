package edgeemb;

import android.content.Context;
import android.os.Build;
import android.os.Process;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;

/** Opens the models that an app carries. */
public final class Edgeemb {
    private Edgeemb() {}

    /**
     * Opens a model. Takes a while at the first start after an installation, when files that the runtime wants as files are copied out of the
     * app: call it away from the main thread.
     *
     * @param context any context of the app.
     * @param name name of the model, as its bundle says.
     * @return the model; close it.
     * @throws IOException if a file of it is missing or cannot be copied.
     */
    public static TextModel open(Context context, String name) throws IOException {
        Assets assets = new Assets(context, name);
        ModelInfo info;
        try (Reader text = new InputStreamReader(assets.stream("model.properties"), StandardCharsets.UTF_8)) {
            info = new ModelInfo(text);
        }
        // What this process runs, not what the phone could: a 32-bit app on a 64-bit phone loads 32-bit libraries.
        info.requireAbi(Process.is64Bit() ? Build.SUPPORTED_64_BIT_ABIS : Build.SUPPORTED_32_BIT_ABIS);
        Tokenizer tokenizer = info.noTokenizer.isEmpty() ? Tokenizer.open(assets.map("tokenizer.bin")) : null;
        Spellings spellings = info.spelled ? new Spellings(assets.map("spellings.bin")) : null;
        return new TextModel(info, tokenizer, spellings, RuntimeEngine.open(assets, info));
    }

    /**
     * The texts by which a phone can check itself: {@code model.check(Edgeemb.golden(context, name))} gives the least cosine.
     *
     * @param context any context of the app.
     * @param name name of the model.
     * @return the texts, with ids and vectors.
     * @throws IOException if the file is missing.
     */
    public static Golden golden(Context context, String name) throws IOException {
        return new Golden(new Assets(context, name).map("golden.bin"));
    }
}
