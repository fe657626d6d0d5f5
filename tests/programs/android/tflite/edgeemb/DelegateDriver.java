package edgeemb;

import java.io.IOException;
import java.io.StringReader;
import org.tensorflow.lite.Interpreter;

/** Opens a model that the interpreter refuses, and prints the address of the delegate that it was given: 0 once that is closed. */
public final class DelegateDriver {
    public static void main(String[] arguments) throws IOException {
        StringBuilder text = new StringBuilder("abi.0=x86_64\n");
        for (String key : "name version prompt no_tokenizer".split(" ")) {
            text.append(key).append("=x\n");
        }
        String rest = "kind=embedding\nactivation=\nper_token=false\nsingles=false\nmask_id=-1\nmask=\nspelled=false\ntakes_pairs=false\nmethod=encode\nvectors=\nvector_codes=\n";
        ModelInfo info = new ModelInfo(new StringReader(text + "dim=1\nmax_length=1\npad_id=0\n" + rest));
        try {
            RuntimeEngine.open(new Assets(null, "x") {
                @Override
                java.nio.ByteBuffer map(String file) {
                    return null;
                }
            }, info);
        } catch (UnsupportedOperationException expected) {
            System.out.println(Interpreter.Options.given.getNativeHandle());
        }
    }
}
