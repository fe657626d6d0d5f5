package edgeemb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Text to ids, as the model's own tokenizer makes them. */
public abstract class Tokenizer {
    private static final int MAGIC = 0x54424545; // "EEBT"
    private static final int VERSION = 1;
    private static final int WORD_PIECE = 1;

    /**
     * Ids of a text, with what the model wants around it.
     *
     * @param text the text; may be empty.
     * @param limit most ids; the end of a longer text is cut off.
     * @return the ids.
     */
    public abstract int[] encode(String text, int limit);

    /**
     * Reads {@code tokenizer.bin}: 'EEBT', version, kind, then what that kind needs, all little-endian. A further kind is a further class and a case
     * here.
     *
     * @param file the whole file; may be mapped, is only read.
     * @return the tokenizer; calls from several threads are fine.
     */
    public static Tokenizer open(ByteBuffer file) {
        ByteBuffer words = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        if (words.limit() < 12 || words.getInt(0) != MAGIC || words.getInt(4) != VERSION) {
            throw new IllegalArgumentException("tokenizer.bin is damaged, or newer than this kit: take both from the same export");
        }
        switch (words.getInt(8)) {
            case WORD_PIECE:
                return new WordPiece(words, 12);
            default:
                throw new IllegalArgumentException("tokenizer.bin is of kind " + words.getInt(8) + ", which this kit does not know: take both from the same export");
        }
    }
}
