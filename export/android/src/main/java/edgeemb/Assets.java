package edgeemb;

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/** Files of a model among the app's assets, below {@code edgeemb/<name>/}. */
class Assets {
    private static final int CHUNK = 1 << 16;
    private static final String LOCK_FILE = "lock";
    private static final String MARKER = "complete";
    private static final String FRESH = ".fresh";
    /** Files are locked between processes, not between the threads of one. */
    private static final Object LOCK = new Object();

    private final Context context;
    private final String name;

    Assets(Context context, String name) {
        this.context = context;
        this.name = name;
    }

    InputStream stream(String file) throws IOException {
        return context.getAssets().open(path(file));
    }

    /** A file in memory: mapped out of the app where it is stored as it is, read where it was compressed. */
    ByteBuffer map(String file) throws IOException {
        try (AssetFileDescriptor found = context.getAssets().openFd(path(file));
                FileInputStream stream = new FileInputStream(found.getFileDescriptor())) {
            return stream.getChannel().map(FileChannel.MapMode.READ_ONLY, found.getStartOffset(), found.getDeclaredLength());
        } catch (FileNotFoundException compressed) {
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            try (InputStream stream = stream(file)) {
                copy(stream, content);
            }
            ByteBuffer buffer = ByteBuffer.allocateDirect(content.size()).order(ByteOrder.nativeOrder());
            buffer.put(content.toByteArray());
            buffer.rewind();
            return buffer;
        }
    }

    /**
     * The folder with the model's files, for runtimes that open and map files themselves. They are copied once for each version, into a
     * temporary folder that is renamed when everything in it is on the disk; a marker in it, written last, says how long each file is. What
     * is older, or was left half-made, is removed then.
     */
    File install(ModelInfo info) throws IOException {
        File home = new File(new File(context.getNoBackupFilesDir(), "edgeemb"), folder(name));
        File place = new File(home, info.version);
        synchronized (LOCK) {
            if (!home.isDirectory() && !home.mkdirs()) {
                throw new IOException("cannot make the folder " + home);
            }
            try (RandomAccessFile lock = new RandomAccessFile(new File(home, LOCK_FILE), "rw"); FileLock held = lock.getChannel().lock()) {
                if (!isComplete(place, info) && held.isValid()) {
                    copyTo(home, place, info);
                }
                for (File other : listed(home)) {
                    if (!other.equals(place) && !other.getName().equals(LOCK_FILE)) {
                        remove(other);
                    }
                }
            }
        }
        return place;
    }

    private void copyTo(File home, File place, ModelInfo info) throws IOException {
        File fresh = new File(home, info.version + FRESH);
        remove(fresh);
        if (!fresh.mkdir()) {
            throw new IOException("cannot make the folder " + fresh);
        }
        for (String file : info.files) {
            try (InputStream from = stream(file); FileOutputStream to = new FileOutputStream(new File(fresh, file))) {
                copy(from, to);
                to.getFD().sync();
            }
        }
        try (FileOutputStream to = new FileOutputStream(new File(fresh, MARKER))) {
            to.write(marker(fresh, info));
            to.getFD().sync();
        }
        remove(place);
        if (!fresh.renameTo(place)) {
            throw new IOException("cannot rename " + fresh + " to " + place);
        }
    }

    /** Whether everything is there, and as long as it was when it was copied. */
    private static boolean isComplete(File place, ModelInfo info) throws IOException {
        File marker = new File(place, MARKER);
        if (!marker.isFile()) {
            return false;
        }
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        try (FileInputStream from = new FileInputStream(marker)) {
            copy(from, found);
        }
        return Arrays.equals(found.toByteArray(), marker(place, info));
    }

    /** Names and lengths of the model's files in a folder. */
    private static byte[] marker(File folder, ModelInfo info) {
        StringBuilder lines = new StringBuilder();
        for (String file : info.files) {
            lines.append(file).append(' ').append(new File(folder, file).length()).append('\n');
        }
        return lines.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** A model's name as that of a folder: its own, and no other model's. */
    private static String folder(String name) {
        StringBuilder folder = new StringBuilder();
        for (byte value : name.getBytes(StandardCharsets.UTF_8)) {
            char letter = (char) (value & 0xff);
            boolean plain = letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z' || letter >= '0' && letter <= '9' || letter == '-' || letter == '_';
            folder.append(plain ? String.valueOf(letter) : String.format(Locale.ROOT, "%%%02x", (int) letter));
        }
        return folder.toString();
    }

    private String path(String file) {
        return "edgeemb/" + name + "/" + file;
    }

    private static void copy(InputStream from, OutputStream to) throws IOException {
        byte[] chunk = new byte[CHUNK];
        for (int count = from.read(chunk); count >= 0; count = from.read(chunk)) {
            to.write(chunk, 0, count);
        }
    }

    private static File[] listed(File folder) {
        File[] files = folder.listFiles();
        return files == null ? new File[0] : files;
    }

    private static void remove(File folder) {
        for (File file : listed(folder)) {
            file.delete();
        }
        folder.delete();
    }
}
