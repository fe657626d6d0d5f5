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
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/** Files of a model among the app's assets, below {@code edgeemb/<name>/}. */
final class Assets {
    private static final int CHUNK = 1 << 16;

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
     * temporary folder that is renamed when complete; those of older versions are removed.
     */
    File install(ModelInfo info) throws IOException {
        File home = new File(context.getNoBackupFilesDir(), "edgeemb");
        File place = new File(home, name + "-" + info.version);
        if (place.isDirectory()) {
            return place;
        }
        File[] others = home.listFiles();
        for (File other : others == null ? new File[0] : others) {
            if (other.getName().startsWith(name + "-")) {
                remove(other);
            }
        }
        File fresh = new File(home, name + "-" + info.version + "-" + System.nanoTime());
        if (!fresh.mkdirs()) {
            throw new IOException("cannot make the folder " + fresh);
        }
        try {
            for (String file : info.files) {
                try (InputStream from = stream(file); OutputStream to = new FileOutputStream(new File(fresh, file))) {
                    copy(from, to);
                }
            }
            if (!fresh.renameTo(place) && !place.isDirectory()) {
                throw new IOException("cannot rename " + fresh + " to " + place);
            }
        } finally {
            remove(fresh);
        }
        return place;
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

    private static void remove(File folder) {
        File[] files = folder.listFiles();
        for (File file : files == null ? new File[0] : files) {
            file.delete();
        }
        folder.delete();
    }
}
