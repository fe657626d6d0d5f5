package edgeemb;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import notes.Found;
import notes.NoteIndex;

/** Drives the sample of notes over a model that the test runs. */
public final class NotesDriver {
    /**
     * {@code put INDEX QUERY COUNT REREAD FILE...} indexes files, two of them twice, writes the index, and searches what it reads back;
     * {@code search INDEX QUERY COUNT REREAD} searches an index. In front is the kit's folder of assets.
     */
    public static void main(String[] arguments) throws IOException {
        StringBuilder lines = new StringBuilder();
        try (TextModel model = Driver.open(new File(arguments[0]))) {
            File file = new File(arguments[2]);
            if (arguments[1].equals("put")) {
                NoteIndex index = new NoteIndex(model);
                index.put("gone.txt", "a note that is removed");
                for (String name : Arrays.copyOfRange(arguments, 6, arguments.length)) {
                    File note = new File(name);
                    index.put(note.getName(), "the text of before");
                    index.put(note.getName(), new String(Files.readAllBytes(note.toPath()), StandardCharsets.UTF_8));
                }
                index.remove("gone.txt");
                ByteArrayOutputStream written = new ByteArrayOutputStream();
                index.write(written);
                Files.write(file.toPath(), written.toByteArray());
            }
            NoteIndex index = NoteIndex.read(model, new ByteArrayInputStream(Files.readAllBytes(file.toPath())));
            for (Found found : index.search(arguments[3], Integer.parseInt(arguments[4]), Integer.parseInt(arguments[5]))) {
                lines.append(found.passage.note).append('\t').append(found.passage.line).append('\t');
                lines.append(found.passage.text).append('\t').append(found.score).append('\n');
            }
        } catch (IOException | RuntimeException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
        Driver.OUT.writeInt(-1);
        Driver.OUT.write(lines.toString().getBytes(StandardCharsets.UTF_8));
        Driver.OUT.flush();
    }
}
