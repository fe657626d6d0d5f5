package edgeemb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** The text of each token of a vocabulary: {@code spellings.bin}, whose layout edgeemb/text/spellings.py has. */
public final class Spellings {
    private static final int MAGIC = 0x57424545;
    private static final int VERSION = 1;
    private static final int HEAD = 12;
    private static final int GROUP = 64;

    private final ByteBuffer table;
    private final int count;
    private final int lengths;

    /**
     * Reads the file where it lies.
     *
     * @param file the whole file.
     */
    public Spellings(ByteBuffer file) {
        table = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        if (table.limit() < HEAD || table.getInt(0) != MAGIC || table.getInt(4) != VERSION) {
            throw new IllegalArgumentException("spellings.bin is damaged, or newer than this kit: take both from the same export");
        }
        count = table.getInt(8);
        lengths = HEAD + 4 * ((count + GROUP - 1) / GROUP);
        if (count < 0 || lengths + (long) count > table.limit()) {
            throw new IllegalArgumentException("spellings.bin is damaged: take it and the kit from the same export");
        }
    }

    /** The text of a token; null where there is none. */
    String of(int token) {
        int length = token < 0 || token >= count ? 0 : table.get(lengths + token) & 0xff;
        if (length == 0) {
            return null;
        }
        int place = lengths + count + table.getInt(HEAD + 4 * (token / GROUP));
        for (int at = token / GROUP * GROUP; at < token; ++at) {
            place += table.get(lengths + at) & 0xff;
        }
        byte[] text = new byte[length];
        ByteBuffer from = table.duplicate();
        from.position(place);
        from.get(text);
        return new String(text, StandardCharsets.UTF_8);
    }
}
