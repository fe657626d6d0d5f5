package edgeemb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.IntBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Text to ids, as the model's own tokenizer makes them: a face for native code that reads {@code tokenizer.bin} where it lies. */
public final class Tokenizer {
    private static final String LIBRARY = "edgeemb_text";
    /** What native code answers: runtimes/text/blob.h has the numbers. */
    private static final int OK = 0;
    private static final int MORE_MEMORY = 3;
    private static final int TOO_FEW = 4;
    private static final int MORE_ROOM = 5;
    private static final int UNKNOWN = 6;
    private static final int NEWER = 8;
    /** Bytes of text for which there is memory from the start, and the most that are kept; native code asks for more where it must. */
    private static final int FIRST_BYTES = 512;
    private static final int KEPT_BYTES = 1 << 15;
    private static final int MOST_BYTES = 1 << 23;

    /** Words that are remembered, a power of two of them, and the bytes of each. */
    private static final int SLOTS = 1024;
    private static final int SLOT_BYTES = 64;
    /** The most bytes of a token without a vocabulary. */
    private static final int MOST_WIDTH = 32;

    /** Bytes of a token where there is no vocabulary: {@link #words} then has the tokens. 0 where they have ids. */
    public final int width;
    private final ByteBuffer blob;
    /** Words that come again, with their tokens. */
    private final ByteBuffer slots = ByteBuffer.allocateDirect(SLOTS * SLOT_BYTES);
    private int bytes;
    private ByteBuffer arena;
    private IntBuffer result;
    private ByteBuffer resultBytes;

    private Tokenizer(ByteBuffer blob, int width) {
        this.blob = blob;
        this.width = width;
        grow(FIRST_BYTES);
    }

    /**
     * Opens {@code tokenizer.bin}. Nothing is copied out of a file that is mapped.
     *
     * @param file the whole file.
     * @return the tokenizer; calls from several threads are fine, they wait for each other.
     */
    public static Tokenizer open(ByteBuffer file) {
        ByteBuffer blob = file;
        if (!file.isDirect()) {
            blob = ByteBuffer.allocateDirect(file.remaining());
            blob.put(file.duplicate());
        }
        long found;
        try {
            System.loadLibrary(LIBRARY);
            found = nativeOpen(blob);
        } catch (UnsatisfiedLinkError error) {
            throw new IllegalStateException(
                    "the kit has no tokenizer for this process (" + error.getMessage() + "): export the model for its platform, or call encodeIds", error);
        }
        if (found < 0) {
            throw new IllegalArgumentException(
                    found == -NEWER
                            ? "tokenizer.bin is of another version than this kit: take both from the same export"
                            : "tokenizer.bin is damaged: take it and the kit from the same export");
        }
        return new Tokenizer(blob, (int) (found >> 32));
    }

    /**
     * Tokens of a text, with what the model wants around it.
     *
     * @param text the text; may be empty.
     * @param limit most tokens; the end of a longer text is cut off. 0 for any number.
     * @return the tokens.
     */
    public Tokens encode(String text, int limit) {
        return encode(text, null, limit, Cut.LONGEST_FIRST);
    }

    /**
     * Tokens of a pair of texts, with what the model wants around them.
     *
     * @param text the first text.
     * @param pair the second; null for a text alone.
     * @param limit most tokens. 0 for any number.
     * @param cut which of the texts is cut where there are more.
     * @return the tokens.
     */
    public synchronized Tokens encode(String text, String pair, int limit, Cut cut) {
        ByteBuffer first = utf8(text);
        ByteBuffer second = pair == null ? null : utf8(pair);
        int size = first.limit() + (second == null ? 0 : second.limit());
        int status;
        do {
            status = nativeEncode(blob, first, first.limit(), second, second == null ? 0 : second.limit(), limit, cut.ordinal(), slots, arena, resultBytes);
        } while ((status == MORE_MEMORY || status == MORE_ROOM) && grow(Math.max(2 * bytes, size)));
        Tokens tokens = status == OK ? tokens(first, second) : null;
        if (bytes > KEPT_BYTES) {
            grow(FIRST_BYTES);
        }
        if (tokens == null) {
            throw refusal(status);
        }
        return tokens;
    }

    /**
     * Tokens of a text without a vocabulary: the bytes of its words.
     *
     * @param text the text.
     * @param limit most tokens; words after them are left out.
     * @return the tokens, {@link #width} bytes each.
     */
    public synchronized byte[] words(String text, int limit) {
        ByteBuffer encoded = utf8(text);
        ByteBuffer tokens = ByteBuffer.allocateDirect(MOST_WIDTH * limit);
        int count = nativeWords(blob, encoded, encoded.limit(), limit, tokens);
        if (count < 0) {
            throw refusal(-count);
        }
        byte[] found = new byte[count * width];
        tokens.get(found);
        return found;
    }

    private static RuntimeException refusal(int status) {
        switch (status) {
            case TOO_FEW:
                return new IllegalArgumentException("the text cannot be cut to that few tokens: allow more, or cut the other text of the pair");
            case UNKNOWN:
                return new IllegalArgumentException("the text has characters for which the vocabulary has no token, nor one for unknown text");
            case MORE_MEMORY:
            case MORE_ROOM:
                return new IllegalArgumentException("the text is too long for one call: split it");
            default:
                return new IllegalStateException("tokenizer.bin is damaged (status " + status + "): take it and the kit from the same export");
        }
    }

    /** Memory for texts of so many bytes; false if that is too much. */
    private boolean grow(int size) {
        if (size > MOST_BYTES) {
            return false;
        }
        bytes = size;
        arena = ByteBuffer.allocateDirect((int) nativeArena(size));
        resultBytes = ByteBuffer.allocateDirect(8 + 20 * size).order(ByteOrder.nativeOrder());
        result = resultBytes.asIntBuffer();
        return true;
    }

    private Tokens tokens(ByteBuffer first, ByteBuffer second) {
        int count = result.get(0);
        int[][] arrays = new int[3][count];
        for (int number = 0; number < 3; ++number) {
            result.position(2 + number * bytes);
            result.get(arrays[number]);
        }
        int[][] places = {null, chars(first), second == null ? null : chars(second)};
        int[] starts = new int[count];
        int[] ends = new int[count];
        for (int at = 0; at < count; ++at) {
            int[] place = places[arrays[2][at]];
            if (place != null) {
                starts[at] = place[result.get(2 + 3 * bytes + 2 * at)];
                ends[at] = place[result.get(2 + 3 * bytes + 2 * at + 1)];
            }
        }
        return new Tokens(arrays[0], arrays[1], arrays[2], starts, ends, result.get(1) != 0);
    }

    private static ByteBuffer utf8(String text) {
        try {
            ByteBuffer encoded =
                    StandardCharsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPORT).encode(CharBuffer.wrap(text));
            ByteBuffer direct = ByteBuffer.allocateDirect(Math.max(1, encoded.remaining()));
            direct.put(encoded);
            direct.flip();
            return direct;
        } catch (CharacterCodingException error) {
            throw new IllegalArgumentException("the text has half of a surrogate pair: decode it properly first", error);
        }
    }

    /** How many chars begin before each byte of a text, and before its end: four bytes are two chars, fewer are one. */
    private static int[] chars(ByteBuffer text) {
        int[] places = new int[text.limit() + 1];
        int count = 0;
        for (int at = 0; at < text.limit(); ++at) {
            int value = text.get(at) & 0xff;
            places[at] = count;
            count += value >= 0xf0 ? 2 : (value & 0xc0) == 0x80 ? 0 : 1;
        }
        places[text.limit()] = count;
        return places;
    }

    private static native long nativeOpen(ByteBuffer blob);

    private static native long nativeArena(int bytes);

    private static native int nativeWords(ByteBuffer blob, ByteBuffer text, int textBytes, int limit, ByteBuffer tokens);

    private static native int nativeEncode(
            ByteBuffer blob, ByteBuffer text, int textBytes, ByteBuffer pair, int pairBytes, int limit, int cut, ByteBuffer slots, ByteBuffer arena,
            ByteBuffer result);
}
