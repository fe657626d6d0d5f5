package edgeemb;

import android.content.Context;
import android.content.res.AssetManager;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Drives the part of the kit that is not Android's own; the tests talk to it over its standard input and output. */
public final class Driver {
    private static final DataInputStream IN = new DataInputStream(new BufferedInputStream(System.in));
    static final DataOutputStream OUT = new DataOutputStream(new BufferedOutputStream(System.out));

    /** {@code tokenize}, {@code vectors}, {@code store}, {@code check}, {@code install} or {@code abi}, the kit's folder of assets, and what the command needs. */
    public static void main(String[] arguments) throws IOException {
        File assets = new File(arguments[1]);
        try {
            switch (arguments[0]) {
                case "tokenize":
                    tokenize(Integer.parseInt(arguments[2]), Arrays.copyOfRange(arguments, 3, arguments.length));
                    break;
                case "vectors":
                    vectors(Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
                    break;
                case "store":
                    store(info(assets).vectors, Integer.parseInt(arguments[2]));
                    break;
                case "check":
                    check(assets);
                    break;
                case "install":
                    System.out.println(new Assets(new Folder(assets, new File(arguments[2])), arguments[3]).install(info(assets)));
                    break;
                case "encode":
                    encode(assets, Arrays.copyOfRange(arguments, 2, arguments.length));
                    break;
                case "answer":
                    answer(assets, arguments[2], Arrays.copyOfRange(arguments, 3, arguments.length));
                    break;
                default:
                    info(assets).requireAbi(arguments[2].split(","));
            }
        } catch (RuntimeException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
        OUT.flush();
    }

    /** An app whose assets lie in one folder, and its files in another. */
    private static final class Folder extends Context {
        private final File files;
        private final AssetManager assets;

        Folder(File content, File files) {
            this.files = files;
            this.assets =
                    new AssetManager() {
                        @Override
                        public InputStream open(String path) throws IOException {
                            return new FileInputStream(new File(content, new File(path).getName()));
                        }
                    };
        }

        @Override
        public AssetManager getAssets() {
            return assets;
        }

        @Override
        public File getNoBackupFilesDir() {
            return files;
        }
    }

    private static ByteBuffer read(File assets, String name) throws IOException {
        return ByteBuffer.wrap(Files.readAllBytes(new File(assets, name).toPath()));
    }

    private static ByteBuffer map(File file) throws IOException {
        try (FileChannel channel = FileChannel.open(file.toPath())) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
        }
    }

    /** The module puts the bundle's tokenizer among the app's assets. */
    private static Tokenizer tokenizer(File assets) throws IOException {
        return Tokenizer.open(map(new File(assets.getParentFile().getParentFile(), "tokenizer.bin")));
    }

    private static ModelInfo info(File assets) throws IOException {
        try (Reader text = Files.newBufferedReader(new File(assets, "model.properties").toPath(), StandardCharsets.UTF_8)) {
            return new ModelInfo(text);
        }
    }

    /**
     * Texts come as a length in bytes and UTF-8; -1 ends them. For each tokenizer, the tokens of each text go, then those of each text with the
     * next: a count, whether they were cut, and their arrays.
     */
    private static void tokenize(int limit, String[] files) throws IOException {
        List<String> texts = new ArrayList<>();
        for (int size = IN.readInt(); size >= 0; size = IN.readInt()) {
            byte[] text = new byte[size];
            IN.readFully(text);
            texts.add(new String(text, StandardCharsets.UTF_8));
        }
        for (String file : files) {
            Tokenizer tokenizer = Tokenizer.open(map(new File(file)));
            for (String text : texts) {
                write(tokenizer.encode(text, limit));
            }
            for (int number = 1; number < texts.size(); ++number) {
                write(tokenizer.encode(texts.get(number - 1), texts.get(number), limit, Cut.LONGEST_FIRST));
            }
        }
    }

    private static void write(Tokens tokens) throws IOException {
        OUT.writeInt(tokens.ids.length);
        OUT.writeInt(tokens.cut ? 1 : 0);
        for (int[] array : new int[][] {tokens.ids, tokens.types, tokens.texts, tokens.starts, tokens.ends}) {
            for (int value : array) {
                OUT.writeInt(value);
            }
        }
    }

    /** Rows and a mask come; their mean, the mean at length 1, and the cosine of the two go. */
    private static void vectors(int tokens, int dim) throws IOException {
        float[] rows = new float[tokens * dim];
        for (int place = 0; place < rows.length; ++place) {
            rows[place] = IN.readFloat();
        }
        long[] mask = new long[tokens];
        for (int token = 0; token < tokens; ++token) {
            mask[token] = IN.readLong();
        }
        float[] mean = Vectors.mean(rows, mask, dim);
        float[] normalized = Vectors.normalized(mean);
        for (float[] vector : new float[][] {mean, normalized, {Vectors.cosine(mean, normalized)}}) {
            for (float value : vector) {
                OUT.writeFloat(value);
            }
        }
    }

    /** Each vector as it is stored, then how similar the first is to each: stored to stored, and floats to stored. */
    private static void store(VectorForm form, int count) throws IOException {
        float[][] vectors = new float[count][form.dim];
        byte[][] stored = new byte[count][];
        for (int number = 0; number < count; ++number) {
            for (int at = 0; at < form.dim; ++at) {
                vectors[number][at] = IN.readFloat();
            }
            stored[number] = form.store(vectors[number]);
            OUT.write(stored[number]);
        }
        for (byte[] other : stored) {
            OUT.writeFloat(form.similarity(stored[0], other));
            OUT.writeFloat(form.similarity(vectors[0], other));
        }
    }

    static TextModel open(File assets) throws IOException {
        ModelInfo info = info(assets);
        Spellings spellings = info.spelled ? new Spellings(read(assets, "spellings.bin")) : null;
        return new TextModel(info, info.noTokenizer.isEmpty() ? tokenizer(assets) : null, spellings, new Remote(info));
    }

    /** The golden texts through the model, which the test runs; last goes the least cosine. */
    private static void check(File assets) throws IOException {
        try (TextModel model = open(assets)) {
            float least = model.check(new Golden(read(assets, "golden.bin")));
            OUT.writeInt(-1);
            OUT.writeFloat(least);
        }
    }

    private static void encode(File assets, String[] texts) throws IOException {
        try (TextModel model = open(assets)) {
            if (texts.length == 1) {
                model.encode(texts[0]);
            } else {
                model.encode(texts[0], texts[1]);
            }
            OUT.writeInt(-1);
        }
    }

    /** The answers of a method, a line each. */
    private static void answer(File assets, String method, String[] texts) throws IOException {
        StringBuilder lines = new StringBuilder();
        try (TextModel model = open(assets)) {
            if (method.equals("classify")) {
                for (Label found : texts.length == 1 ? model.classify(texts[0]) : model.classify(texts[0], texts[1])) {
                    lines.append(found.label).append('\t').append(found.score).append('\n');
                }
            } else if (method.equals("rank")) {
                for (Ranked found : model.rank(texts[0], Arrays.copyOfRange(texts, 1, texts.length))) {
                    lines.append(found.index).append('\t').append(found.text).append('\t').append(found.score).append('\n');
                }
            } else if (method.equals("ask")) {
                for (Answer found : model.answer(texts[0], texts[1], Integer.parseInt(texts[2]))) {
                    lines.append(found.text).append('\t').append(found.start).append('\t').append(found.end).append('\t');
                    lines.append(found.score).append('\n');
                }
            } else if (method.equals("fill")) {
                for (Filling[] place : model.fill(texts[0], Integer.parseInt(texts[1]))) {
                    for (Filling found : place) {
                        lines.append(found.token).append('\t').append(found.score).append('\t');
                    }
                    lines.append('\n');
                }
            } else if (method.equals("next")) {
                for (Filling found : model.nextTokens(texts[0], Integer.parseInt(texts[1]))) {
                    lines.append(found.token).append('\t').append(found.score).append('\n');
                }
            } else if (method.equals("tokens")) {
                float[][] query = model.encodeTokens(texts[0], true);
                float[][] document = model.encodeTokens(texts[1], false);
                lines.append(query.length).append('\t').append(document.length).append('\t').append(Vectors.maxSim(query, document)).append('\n');
            } else {
                for (Word found : model.labelWords(texts[0])) {
                    lines.append(found.text).append('\t').append(found.start).append('\t').append(found.end).append('\t');
                    lines.append(found.label).append('\t').append(found.score).append('\n');
                }
            }
        }
        OUT.writeInt(-1);
        OUT.write(lines.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** The runtime is on the other side: inputs go as their number, and each as its length and values; the outputs come. */
    private static final class Remote implements Engine {
        private final ModelInfo info;

        Remote(ModelInfo info) {
            this.info = info;
        }

        @Override
        public float[][] run(long[][] inputs) {
            try {
                OUT.writeInt(inputs.length);
                for (long[] input : inputs) {
                    OUT.writeInt(input.length);
                    for (long value : input) {
                        OUT.writeLong(value);
                    }
                }
                OUT.flush();
                float[][] outputs = new float[info.outputs.length][info.perToken ? info.dim * inputs[1].length : info.dim];
                for (float[] output : outputs) {
                    for (int place = 0; place < output.length; ++place) {
                        output[place] = IN.readFloat();
                    }
                }
                return outputs;
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        @Override
        public void close() {}
    }
}
