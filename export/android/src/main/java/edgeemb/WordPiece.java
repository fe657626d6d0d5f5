package edgeemb;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * BERT's normalisation, its words, and greedy WordPiece, by tables that the export derived from the model's own tokenizer: what a character
 * becomes does not depend on the phone's version of Unicode.
 *
 * <p>A code point is replaced ({@code maps}), then kept, dropped, taken as a space, or made a word of its own ({@code ranges}). Pieces are two
 * sorted lists, of those that begin a word and those that continue one. Special tokens that are spelled out in a text ("[SEP]") are taken
 * as such, as the tokenizer does it.
 */
final class WordPiece extends Tokenizer {
    private static final int KEEP = 0;
    private static final int DROP = 1;
    private static final int ISOLATE = 3;
    /** Bytes of the longest word that is looked up; longer ones are unknown. */
    private static final int WORD_BYTES = 400;
    private static final int HANGUL_FIRST = 0xac00;
    private static final int HANGUL_LAST = 0xd7a3;

    private final ByteBuffer file;
    private final Pieces first;
    private final Pieces later;
    private final int letters;
    private final int ranges;
    private final int rangeCount;
    private final int maps;
    private final int mapCount;
    private final int more;
    private final int longest;
    private final int unknown;
    private final boolean hangul;
    private final int[] before;
    private final int[] after;
    private final String[] specials;
    private final int[] specialIds;

    /** Sorted pieces: where each begins in the letters, and its id. */
    private static final class Pieces {
        final int starts;
        final int ids;
        final int count;

        Pieces(int starts, int ids, int count) {
            this.starts = starts;
            this.ids = ids;
            this.count = count;
        }
    }

    /** The fields stand one after another in the order in which they are read here; offsets count from the field after the last. */
    WordPiece(ByteBuffer file, int at) {
        this.file = file;
        int[] head = new int[18];
        if (file.limit() < at + 4 * head.length || file.limit() != at + 4 * head.length + file.getInt(at + 4 * head.length - 4)) {
            throw new IllegalArgumentException("tokenizer.bin is cut off: copy it again");
        }
        for (int field = 0; field < head.length; ++field) {
            head[field] = file.getInt(at + 4 * field);
        }
        int base = at + 4 * head.length;
        longest = head[0];
        unknown = head[1];
        hangul = head[2] != 0;
        first = new Pieces(base + head[3], base + head[4], head[5]);
        later = new Pieces(base + head[6], base + head[7], head[8]);
        letters = base + head[9];
        ranges = base + head[10];
        rangeCount = head[11];
        maps = base + head[12];
        mapCount = head[13];
        more = base + head[14];
        int next = base + head[15]; // ids before and after, then the special tokens
        before = ints(next + 4, file.getInt(next));
        next += 4 + 4 * before.length;
        after = ints(next + 4, file.getInt(next));
        next += 4 + 4 * after.length;
        specials = new String[head[16]];
        specialIds = new int[head[16]];
        for (int number = 0; number < specials.length; ++number) {
            specialIds[number] = file.getInt(next);
            byte[] name = new byte[file.getInt(next + 4)];
            for (int place = 0; place < name.length; ++place) {
                name[place] = file.get(next + 8 + place);
            }
            specials[number] = new String(name, StandardCharsets.UTF_8);
            next += 8 + name.length;
        }
    }

    @Override
    public int[] encode(String text, int limit) {
        Reading reading = new Reading(Math.max(limit - before.length - after.length, 0));
        for (int at = 0; at < text.length(); ) {
            int special = specialAt(text, at);
            if (special >= 0) {
                reading.endWord();
                reading.put(specialIds[special]);
                at += specials[special].length();
            } else {
                int code = text.codePointAt(at);
                at += Character.charCount(code);
                reading.read(code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
            }
        }
        reading.endWord();
        int kept = Math.min(reading.count, reading.limit);
        int[] ids = Arrays.copyOf(before, before.length + kept + after.length);
        System.arraycopy(reading.ids, 0, ids, before.length, kept);
        System.arraycopy(after, 0, ids, before.length + kept, after.length);
        return ids;
    }

    /** Number of the special token that begins there, or -1; they are sorted, the longest first. */
    private int specialAt(String text, int at) {
        for (int number = 0; number < specials.length; ++number) {
            if (text.startsWith(specials[number], at)) {
                return number;
            }
        }
        return -1;
    }

    private int[] ints(int at, int count) {
        int[] values = new int[count];
        for (int number = 0; number < count; ++number) {
            values[number] = file.getInt(at + 4 * number);
        }
        return values;
    }

    /** A text while it is read. */
    private final class Reading {
        final int limit;
        int[] ids = new int[32];
        int count;
        private final byte[] word = new byte[WORD_BYTES];
        private int bytes;
        private int characters;

        Reading(int limit) {
            this.limit = limit;
        }

        void put(int id) {
            if (count >= limit) {
                return;
            }
            if (count == ids.length) {
                ids = Arrays.copyOf(ids, 2 * count);
            }
            ids[count++] = id;
        }

        /** A code point of the text: replaced, or taken as it is. */
        void read(int code) {
            if (hangul && code >= HANGUL_FIRST && code <= HANGUL_LAST) { // The Unicode Standard, 3.12: L, V and T from one index
                int index = code - HANGUL_FIRST;
                take(0x1100 + index / 588);
                take(0x1161 + index % 588 / 28);
                if (index % 28 != 0) {
                    take(0x11a7 + index % 28);
                }
                return;
            }
            int place = find(maps, mapCount, 2, code);
            if (place < 0 || file.getInt(maps + 8 * place) != code) {
                take(code);
                return;
            }
            int to = file.getInt(maps + 8 * place + 4);
            if (to >= 0) {
                take(to);
                return;
            }
            for (int number = 0; number < (to >>> 24 & 0x7f); ++number) {
                take(file.getInt(more + 4 * ((to & 0xffffff) + number)));
            }
        }

        /** A code point after it was replaced. */
        private void take(int code) {
            int place = find(ranges, rangeCount, 3, code);
            int action = place >= 0 && code <= file.getInt(ranges + 12 * place + 4) ? file.getInt(ranges + 12 * place + 8) : KEEP;
            if (action == KEEP) {
                keep(code);
            } else if (action != DROP) {
                endWord();
                if (action == ISOLATE) {
                    keep(code);
                    endWord();
                }
            }
        }

        /** Adds the UTF-8 of a code point to the word. */
        private void keep(int code) {
            if (code < 0x80) {
                add(code);
            } else {
                if (code < 0x800) {
                    add(0xc0 | code >> 6);
                } else {
                    if (code < 0x10000) {
                        add(0xe0 | code >> 12);
                    } else {
                        add(0xf0 | code >> 18);
                        add(0x80 | code >> 12 & 0x3f);
                    }
                    add(0x80 | code >> 6 & 0x3f);
                }
                add(0x80 | code & 0x3f);
            }
            ++characters;
        }

        private void add(int value) {
            if (bytes < WORD_BYTES) {
                word[bytes] = (byte) value;
            }
            ++bytes;
        }

        /** The word ends: writes its pieces, the longest first, or the unknown id. */
        void endWord() {
            int total = bytes;
            int size = characters;
            bytes = 0;
            characters = 0;
            if (size == 0 || count >= limit) {
                return;
            }
            if (size > longest || total > WORD_BYTES) {
                put(unknown);
                return;
            }
            int[] found = new int[total];
            int pieces = 0;
            for (int start = 0; start < total; ) {
                int end = total;
                int id = -1;
                while (end > start && (id = find(start == 0 ? first : later, word, start, end)) < 0) {
                    do { // back over one character
                        --end;
                    } while (end > start && (word[end] & 0xc0) == 0x80);
                }
                if (id < 0) {
                    put(unknown);
                    return;
                }
                found[pieces++] = id;
                start = end;
            }
            for (int piece = 0; piece < pieces; ++piece) {
                put(found[piece]);
            }
        }
    }

    /** Number of the last entry whose first field is at most {@code key}, or -1; entries have {@code width} fields and rise. */
    private int find(int array, int count, int width, int key) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (file.getInt(array + 4 * width * middle) <= key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low - 1;
    }

    /** Id of the piece that is word[start, end), or -1. */
    private int find(Pieces pieces, byte[] word, int start, int end) {
        int low = 0;
        int high = pieces.count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            int order = compare(pieces, middle, word, start, end);
            if (order == 0) {
                return file.getInt(pieces.ids + 4 * middle);
            }
            if (order < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return -1;
    }

    /** Order of a piece against word[start, end), by unsigned bytes. */
    private int compare(Pieces pieces, int number, byte[] word, int start, int end) {
        int at = file.getInt(pieces.starts + 4 * number);
        int length = file.getInt(pieces.starts + 4 * number + 4) - at;
        int common = Math.min(length, end - start);
        for (int place = 0; place < common; ++place) {
            int order = (file.get(letters + at + place) & 0xff) - (word[start + place] & 0xff);
            if (order != 0) {
                return order;
            }
        }
        return length - (end - start);
    }
}
