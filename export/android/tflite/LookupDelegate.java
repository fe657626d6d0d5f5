package edgeemb;

import org.tensorflow.lite.Delegate;

/** The native lookups as a delegate: its library is {@code libedgeemb_tflite.so}, which the bundle carries. */
final class LookupDelegate implements Delegate, AutoCloseable {
    private long handle;

    LookupDelegate() {
        System.loadLibrary("edgeemb_tflite");
        handle = create();
        if (handle == 0) {
            throw new OutOfMemoryError("the delegate of the native lookups cannot be made");
        }
    }

    @Override
    public long getNativeHandle() {
        return handle;
    }

    @Override
    public void close() {
        if (handle != 0) {
            destroy(handle);
            handle = 0;
        }
    }

    private static native long create();

    private static native void destroy(long delegate);
}
