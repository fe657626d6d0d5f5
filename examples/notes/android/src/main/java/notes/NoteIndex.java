package notes;

import edgeemb.TextModel;
import edgeemb.VectorForm;
import edgeemb.Vectors;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Notes that are searched by meaning. Each method that takes text runs the model: call it away from the main thread. Threads may share an
 * index; they wait for each other.
 */
public final class NoteIndex {
    /** Candidates that are compared again by the floats of the query. */
    private static final int CANDIDATES = 100;
    /** A text is at least so near to itself where the index is of the same vectors; other vectors are near by chance alone. */
    private static final float SAME = 0.5f;

    private final TextModel model;
    private final VectorForm vectors;
    private final List<Passage> passages = new ArrayList<>();
    private final List<byte[]> stored = new ArrayList<>();
    /** What the vectors are, as a desktop wrote it; empty for an index that was made here. */
    private String form = "";

    /**
     * An index without notes.
     *
     * @param model a model of vectors; stays open as long as the index is used.
     */
    public NoteIndex(TextModel model) {
        if (model.info.vectors == null) {
            throw new IllegalArgumentException("the model gives classes, not vectors: open an embedding model");
        }
        this.model = model;
        this.vectors = model.info.vectors;
    }

    /**
     * Reads an index that {@link #write} or the desktop's {@code notes.py} wrote.
     *
     * @param model the model that made it, or the same one exported for another runtime.
     * @param stream the file.
     * @return the index.
     * @throws IOException if it is no index, damaged, or of other vectors.
     */
    public static NoteIndex read(TextModel model, InputStream stream) throws IOException {
        NoteIndex index = new NoteIndex(model);
        IndexFile.Content content = IndexFile.read(stream, index.vectors.bytes());
        index.form = content.form;
        index.passages.addAll(content.passages);
        index.stored.addAll(content.vectors);
        // Another model may have vectors of the same size.
        if (!index.passages.isEmpty()
                && index.vectors.similarity(model.encode(index.passages.get(0).text), index.stored.get(0)) < SAME) {
            throw new IOException("the index has vectors of another model: index the notes again");
        }
        return index;
    }

    /**
     * Writes the index.
     *
     * @param stream the file.
     * @throws IOException if it cannot be written.
     */
    public synchronized void write(OutputStream stream) throws IOException {
        IndexFile.write(stream, new IndexFile.Content(form, passages, stored), vectors.bytes());
    }

    /**
     * Adds a note, or replaces it. The model reads only paragraphs that the note had not.
     *
     * @param note its name.
     * @param text its text; blank lines divide the paragraphs.
     */
    public synchronized void put(String note, String text) {
        Map<String, byte[]> known = new HashMap<>();
        for (int place = 0; place < passages.size(); ++place) {
            if (passages.get(place).note.equals(note)) {
                known.put(passages.get(place).text, stored.get(place));
            }
        }
        List<Passage> read = Passage.split(note, text);
        List<byte[]> rows = new ArrayList<>();
        for (Passage passage : read) {
            byte[] row = known.get(passage.text);
            rows.add(row != null ? row : model.encodeStored(passage.text));
        }
        remove(note);
        passages.addAll(read);
        stored.addAll(rows);
    }

    /**
     * Forgets a note; does nothing where it is not known.
     *
     * @param note its name.
     */
    public synchronized void remove(String note) {
        for (int place = passages.size() - 1; place >= 0; --place) {
            if (passages.get(place).note.equals(note)) {
                passages.remove(place);
                stored.remove(place);
            }
        }
    }

    /** Number of passages. */
    public synchronized int size() {
        return passages.size();
    }

    /**
     * The passages that are nearest to a query. All are compared by their codes, the best again by the floats of the query, and the best of
     * these again by floats on both sides: the model reads their texts once more.
     *
     * @param query the query.
     * @param count how many passages, at most.
     * @param reread passages that the model reads again; 0 for none, which takes one run of the model in all.
     * @return the passages, the nearest first.
     */
    public synchronized List<Found> search(String query, int count, int reread) {
        float[] floats = model.encode(query);
        byte[] codes = vectors.store(floats);
        List<Candidate> found = new ArrayList<>();
        for (int place = 0; place < stored.size(); ++place) {
            found.add(new Candidate(place, vectors.similarity(codes, stored.get(place))));
        }
        found = best(found, Math.max(Math.max(count, reread), CANDIDATES));
        for (Candidate each : found) {
            each.score = vectors.similarity(floats, stored.get(each.place));
        }
        found = best(found, reread > 0 ? Math.max(count, reread) : count);
        if (reread > 0) {
            for (Candidate each : found) {
                each.score = Vectors.cosine(floats, model.encode(passages.get(each.place).text));
            }
            found = best(found, count);
        }
        List<Found> answer = new ArrayList<>();
        for (Candidate each : found) {
            answer.add(new Found(passages.get(each.place), each.score));
        }
        return answer;
    }

    private static final class Candidate {
        final int place;
        float score;

        Candidate(int place, float score) {
            this.place = place;
            this.score = score;
        }
    }

    private static List<Candidate> best(List<Candidate> candidates, int count) {
        Collections.sort(candidates, (left, right) -> Float.compare(right.score, left.score));
        return new ArrayList<>(candidates.subList(0, Math.min(count, candidates.size())));
    }
}
