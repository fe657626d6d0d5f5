package edgeemb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Texts with the ids and vectors that the export got for them: {@code golden.bin}. */
public final class Golden {
    private static final int MAGIC = 0x47424545; // "EEBG"
    private static final int VERSION = 2;

    /** The texts. */
    public final String[] texts;
    /** Ids of each text; without a vocabulary the bytes of its tokens. */
    public final int[][] ids;
    /** Vector or logits of each text; so many for each id where the model has a row for each token. */
    public final float[][] outputs;

    /**
     * Reads the file: 'EEBG', version, texts; for each text its bytes and UTF-8, its ids, its output, each after their number. Little-endian.
     *
     * @param file the whole file.
     */
    public Golden(ByteBuffer file) {
        ByteBuffer words = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        words.rewind();
        if (words.limit() < 12 || words.getInt() != MAGIC || words.getInt() != VERSION) {
            throw new IllegalArgumentException("golden.bin is damaged, or newer than this kit: take both from the same export");
        }
        int count = words.getInt();
        texts = new String[count];
        ids = new int[count][];
        outputs = new float[count][];
        for (int number = 0; number < count; ++number) {
            byte[] text = new byte[words.getInt()];
            words.get(text);
            texts[number] = new String(text, StandardCharsets.UTF_8);
            ids[number] = new int[words.getInt()];
            for (int place = 0; place < ids[number].length; ++place) {
                ids[number][place] = words.getInt();
            }
            outputs[number] = new float[words.getInt()];
            for (int column = 0; column < outputs[number].length; ++column) {
                outputs[number][column] = words.getFloat();
            }
        }
    }
}
