package org.pytorch.executorch;

public abstract class Tensor {
    public static Tensor fromBlob(long[] data, long[] shape) {
        throw new UnsupportedOperationException();
    }

    public static Tensor fromBlobUnsigned(byte[] data, long[] shape) {
        throw new UnsupportedOperationException();
    }

    public long[] getDataAsLongArray() {
        throw new UnsupportedOperationException();
    }

    public float[] getDataAsFloatArray() {
        throw new UnsupportedOperationException();
    }
}
