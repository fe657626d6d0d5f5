package notes;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The file of an index; {@code passages.py} says what is in it. */
final class IndexFile {
    private static final int MAGIC = 0x4545424e; // "EEBN"
    private static final int VERSION = 1;
    /** A form or a passage of more bytes is damage. */
    private static final int LONGEST = 1 << 24;

    private IndexFile() {}

    /** What a file holds. */
    static final class Content {
        final String form;
        final List<Passage> passages;
        final List<byte[]> vectors;

        Content(String form, List<Passage> passages, List<byte[]> vectors) {
            this.form = form;
            this.passages = passages;
            this.vectors = vectors;
        }
    }

    static Content read(InputStream stream, int width) throws IOException {
        DataInputStream in = new DataInputStream(stream);
        try {
            if (in.readInt() != MAGIC || in.readInt() != VERSION) {
                throw new IOException("this is no index of notes, or newer than this app: index the notes again");
            }
            Content content = new Content(text(in), new ArrayList<>(), new ArrayList<>());
            int bytes = in.readInt();
            if (bytes != width) {
                throw new IOException("the index has vectors of " + bytes + " bytes, the model of " + width + ": index the notes again");
            }
            int count = in.readInt();
            for (int place = 0; place < count; ++place) {
                content.passages.add(new Passage(text(in), in.readInt(), text(in)));
            }
            for (int place = 0; place < count; ++place) {
                byte[] vector = new byte[width];
                in.readFully(vector);
                content.vectors.add(vector);
            }
            return content;
        } catch (EOFException error) {
            throw new IOException("the index is cut off: index the notes again", error);
        }
    }

    static void write(OutputStream stream, Content content, int width) throws IOException {
        DataOutputStream out = new DataOutputStream(stream);
        out.writeInt(MAGIC);
        out.writeInt(VERSION);
        text(out, content.form);
        out.writeInt(width);
        out.writeInt(content.passages.size());
        for (Passage passage : content.passages) {
            text(out, passage.note);
            out.writeInt(passage.line);
            text(out, passage.text);
        }
        for (byte[] vector : content.vectors) {
            out.write(vector);
        }
        out.flush();
    }

    private static String text(DataInputStream in) throws IOException {
        int size = in.readInt();
        if (size < 0 || size > LONGEST) {
            throw new IOException("the index is damaged: index the notes again");
        }
        byte[] bytes = new byte[size];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static void text(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
