package edgeemb;

import java.io.IOException;
import java.io.Reader;
import java.util.Arrays;
import java.util.Properties;

/** What a bundle says of its model: {@code model.properties}. */
public final class ModelInfo {
    /** Name of the model. */
    public final String name;
    /** Stands for the content of the bundle: another one is another model. */
    public final String version;
    /** Files of the model. */
    public final String[] files;
    /** Platforms whose native lookups the bundle carries; empty where it needs none. */
    public final String[] abis;
    /** Inputs of the model: ids, mask, then others. */
    public final String[] inputs;
    /** Element types of the inputs, as numpy calls them. */
    public final String[] types;
    /** Outputs of the model. */
    public final String[] outputs;
    /** Element types of the outputs, as numpy calls them. */
    public final String[] outputTypes;
    /** Elements of a vector, or of another row of an output; or classes. */
    public final int dim;
    /** Ids of the longest text. */
    public final int maxLength;
    /** Id that fills up texts which are shorter than the model's length. */
    public final int padId;
    /** The only lengths that the model takes, rising; empty where any will do. */
    public final int[] lengths;
    /** What the model expects in front of each text. */
    public final String prompt;
    /** Names of the classes; empty for vectors. */
    public final String[] labels;
    /** How an index stores the vectors; null for classes. */
    public final VectorForm vectors;
    /** What the model is for, as its bundle says: {@code embedding}, {@code classification} and so on. */
    public final String kind;
    /** What makes probabilities of a classifier's logits: {@code softmax}, {@code sigmoid}, or nothing. */
    public final String activation;
    /** Whether outputs have a row for each token. */
    public final boolean perToken;
    /** Whether such a row is a single number, with no axis of its own. */
    public final boolean singles;
    /** Id of the token for a masked place; -1 without one. */
    public final int maskId;
    /** What marks a masked place in a text; empty without one. */
    public final String mask;
    /** Whether tokens have texts, {@code spellings.bin}: where answers name them. */
    public final boolean spelled;
    /** How queries are read; null where the model gives no vector for each token. */
    public final Reading query;
    /** How documents are read. */
    public final Reading document;
    /** Whether the model takes pairs of texts. */
    public final boolean takesPairs;
    /** The method of {@link TextModel} that gives its answers. */
    public final String method;
    /** Why the kit has no tokenizer; empty where it has one. */
    public final String noTokenizer;

    /**
     * Reads the file.
     *
     * @param text its text.
     * @throws IOException if it cannot be read.
     */
    public ModelInfo(Reader text) throws IOException {
        Properties values = new Properties();
        values.load(text);
        name = value(values, "name");
        version = value(values, "version");
        files = list(values, "file");
        abis = list(values, "abi");
        inputs = list(values, "input");
        types = list(values, "type");
        outputs = list(values, "output");
        outputTypes = list(values, "output_type");
        dim = Integer.parseInt(value(values, "dim"));
        maxLength = Integer.parseInt(value(values, "max_length"));
        padId = Integer.parseInt(value(values, "pad_id"));
        lengths = numbers(values, "length");
        prompt = value(values, "prompt");
        labels = list(values, "label");
        String[] scales = list(values, "vector_scale");
        float[] steps = new float[scales.length];
        for (int number = 0; number < scales.length; ++number) {
            steps[number] = Float.parseFloat(scales[number]);
        }
        String codes = value(values, "vector_codes");
        vectors = codes.isEmpty() ? null : new VectorForm(value(values, "vectors"), codes, dim, steps);
        kind = value(values, "kind");
        activation = value(values, "activation");
        perToken = value(values, "per_token").equals("true");
        singles = value(values, "singles").equals("true");
        maskId = Integer.parseInt(value(values, "mask_id"));
        mask = value(values, "mask");
        spelled = value(values, "spelled").equals("true");
        query = reading(values, "query");
        document = reading(values, "document");
        takesPairs = value(values, "takes_pairs").equals("true");
        method = value(values, "method");
        noTokenizer = value(values, "no_tokenizer");
    }

    /**
     * Refuses a process that the bundle has no native lookups for.
     *
     * @param supported platforms whose code the process runs, the best first.
     */
    public void requireAbi(String[] supported) {
        for (String abi : supported) {
            if (abis.length == 0 || Arrays.asList(abis).contains(abi)) {
                return;
            }
        }
        throw new IllegalStateException(
                "the bundle " + name + " has native lookups for " + String.join(", ", abis) + ", this process is " + String.join(", ", supported)
                        + ": export it with --ops builtin");
    }

    /** Name of a class; its number where the model has no names. */
    String label(int number) {
        return labels.length == dim ? labels[number] : String.valueOf(number);
    }

    /** Length that a text of so many ids is padded to. */
    int lengthFor(int ids) {
        for (int length : lengths) {
            if (length >= ids) {
                return length;
            }
        }
        if (ids > maxLength || lengths.length > 0) {
            int most = lengths.length > 0 ? lengths[lengths.length - 1] : maxLength;
            throw new IllegalArgumentException("a text has " + ids + " ids, the model takes " + most);
        }
        return ids;
    }

    private static Reading reading(Properties values, String kind) {
        if (values.getProperty(kind + "_prompt") == null) {
            return null;
        }
        return new Reading(
                value(values, kind + "_prompt"),
                Integer.parseInt(value(values, kind + "_length")),
                Integer.parseInt(value(values, kind + "_expansion")),
                Integer.parseInt(value(values, kind + "_filler")),
                value(values, kind + "_attend").equals("true"),
                numbers(values, kind + "_skipped"));
    }

    private static String value(Properties values, String key) {
        String value = values.getProperty(key);
        if (value == null) {
            throw new IllegalArgumentException("model.properties has no '" + key + "': take it and the kit from the same export");
        }
        return value;
    }

    private static int[] numbers(Properties values, String key) {
        String[] items = list(values, key);
        int[] numbers = new int[items.length];
        for (int number = 0; number < numbers.length; ++number) {
            numbers[number] = Integer.parseInt(items[number]);
        }
        return numbers;
    }

    /** Values of key.0, key.1 and so on. */
    private static String[] list(Properties values, String key) {
        int count = 0;
        while (values.getProperty(key + "." + count) != null) {
            ++count;
        }
        String[] items = new String[count];
        for (int number = 0; number < count; ++number) {
            items[number] = values.getProperty(key + "." + number);
        }
        return items;
    }
}
