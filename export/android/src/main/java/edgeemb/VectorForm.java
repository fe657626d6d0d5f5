package edgeemb;

/**
 * How an index stores the vectors of a model, and how two are compared. Codes and bits are those of Python and C, to the bit: see
 * docs/vectors.md.
 */
public final class VectorForm {
    /** Kinds of codes. */
    public enum Codes {
        /** Four bytes a dimension, little-endian. */
        FLOAT32,
        /** One byte a dimension, one scale for every vector. */
        INT8,
        /** Two dimensions a byte. */
        INT4,
        /** One bit a dimension, or two. */
        BINARY
    }

    private static final float ZERO = 1e-30f;

    /** The spec, such as {@code pca=128+int8}: vectors of another model or spec cannot be compared with these. */
    public final String spec;
    /** Kind of codes. */
    public final Codes codes;
    /** Dimensions of a vector. */
    public final int dim;
    private final float[] scales;

    /**
     * A form of vectors; {@link ModelInfo#vectors} has that of a model.
     *
     * @param spec the spec.
     * @param codes name of the codes.
     * @param dim dimensions of a vector.
     * @param scales of a step of int8, or of two planes of bits; empty for others.
     */
    public VectorForm(String spec, String codes, int dim, float[] scales) {
        this.spec = spec;
        this.codes = Codes.valueOf(codes.toUpperCase(java.util.Locale.ROOT));
        this.dim = dim;
        this.scales = scales.clone();
    }

    /** Bytes of a stored vector. */
    public int bytes() {
        switch (codes) {
            case INT8:
                return dim;
            case INT4:
                return dim / 2;
            case BINARY:
                return Math.max(1, scales.length) * (dim / 8);
            default:
                return 4 * dim;
        }
    }

    /**
     * A vector as an index stores it.
     *
     * @param vector what the model gives.
     * @return byte[{@link #bytes()}].
     */
    public byte[] store(float[] vector) {
        check(vector.length, dim, "elements");
        for (float value : vector) {
            if (Float.isNaN(value) || Float.isInfinite(value)) {
                throw new IllegalArgumentException("the vector holds NaN or infinite values");
            }
        }
        byte[] stored = new byte[bytes()];
        switch (codes) {
            case INT8:
                for (int at = 0; at < dim; ++at) {
                    stored[at] = (byte) code(vector[at], 1 / scales[0], 127);
                }
                break;
            case INT4:
                storeInt4(vector, stored);
                break;
            case BINARY:
                storeBits(vector, stored);
                break;
            default:
                java.nio.ByteBuffer.wrap(stored).order(java.nio.ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(vector);
        }
        return stored;
    }

    /**
     * How similar two stored vectors are.
     *
     * @param left what {@link #store} gave.
     * @param right the same.
     * @return a cosine in [-1, 1]; of single planes of bits 1 less twice the part of them that differ.
     */
    public float similarity(byte[] left, byte[] right) {
        check(left.length, bytes(), "bytes");
        check(right.length, bytes(), "bytes");
        if (codes == Codes.BINARY && scales.length == 0) {
            return 1 - 2f * hamming(left, right, 0, 0, left.length) / dim;
        }
        return cosine(dot(left, right), dot(left, left), dot(right, right));
    }

    /**
     * How similar a vector of floats and a stored one are: more exact than two stored ones.
     *
     * @param vector what the model gives.
     * @param stored what {@link #store} gave.
     * @return a cosine in [-1, 1].
     */
    public float similarity(float[] vector, byte[] stored) {
        check(vector.length, dim, "elements");
        check(stored.length, bytes(), "bytes");
        double product = 0;
        double left = 0;
        double right = 0;
        float[] other = load(stored);
        for (int at = 0; at < dim; ++at) {
            product += (double) vector[at] * other[at];
            left += (double) vector[at] * vector[at];
            right += (double) other[at] * other[at];
        }
        return cosine(product, left, right);
    }

    /**
     * What a stored vector stands for, of any length.
     *
     * @param stored what {@link #store} gave.
     * @return float[{@link #dim}].
     */
    public float[] load(byte[] stored) {
        check(stored.length, bytes(), "bytes");
        float[] vector = new float[dim];
        switch (codes) {
            case INT8:
                for (int at = 0; at < dim; ++at) {
                    vector[at] = stored[at] * scales[0];
                }
                break;
            case INT4:
                for (int at = 0; at < stored.length; ++at) {
                    vector[at] = (stored[at] & 15) - 8;
                    vector[at + stored.length] = (stored[at] >> 4 & 15) - 8;
                }
                break;
            case BINARY:
                for (int at = 0; at < dim; ++at) {
                    vector[at] = scales.length == 0 ? sign(stored, at) : scales[0] * sign(stored, at) + scales[1] * sign(stored, dim + at);
                }
                break;
            default:
                java.nio.ByteBuffer.wrap(stored).order(java.nio.ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(vector);
        }
        return vector;
    }

    private void storeInt4(float[] vector, byte[] stored) {
        float most = 0;
        for (float value : vector) {
            most = Math.max(most, Math.abs(value));
        }
        float factor = most > ZERO ? 7 / most : 0;
        for (int at = 0; at < stored.length; ++at) {
            stored[at] = (byte) (code(vector[at], factor, 7) + 8 | code(vector[at + stored.length], factor, 7) + 8 << 4);
        }
    }

    private void storeBits(float[] vector, byte[] stored) {
        for (int at = 0; at < dim; ++at) {
            boolean above = vector[at] > 0;
            set(stored, at, above);
            if (scales.length > 0) {
                set(stored, dim + at, (above ? vector[at] - scales[0] : vector[at] + scales[0]) > 0);
            }
        }
    }

    /** The inner product of two stored vectors, as far as a cosine needs it. */
    private double dot(byte[] left, byte[] right) {
        if (codes == Codes.INT8) {
            int sum = 0;
            for (int at = 0; at < dim; ++at) {
                sum += left[at] * right[at];
            }
            return sum;
        }
        if (codes == Codes.INT4) {
            int sum = 0;
            for (int at = 0; at < left.length; ++at) {
                sum += ((left[at] & 15) - 8) * ((right[at] & 15) - 8) + ((left[at] >> 4 & 15) - 8) * ((right[at] >> 4 & 15) - 8);
            }
            return sum;
        }
        double sum = 0;
        if (codes == Codes.BINARY) {
            int bytes = dim / 8;
            for (int at = 0; at < 4; ++at) {
                int same = dim - 2 * hamming(left, right, at / 2 * bytes, at % 2 * bytes, bytes);
                sum += (double) scales[at / 2] * scales[at % 2] * same;
            }
            return sum;
        }
        float[] one = load(left);
        float[] other = load(right);
        for (int at = 0; at < dim; ++at) {
            sum += (double) one[at] * other[at];
        }
        return sum;
    }

    /** How many bits differ. */
    private static int hamming(byte[] left, byte[] right, int leftFrom, int rightFrom, int count) {
        int differ = 0;
        for (int at = 0; at < count; ++at) {
            differ += Integer.bitCount((left[leftFrom + at] ^ right[rightFrom + at]) & 0xff);
        }
        return differ;
    }

    private static void set(byte[] bits, int at, boolean above) {
        if (above) {
            bits[at / 8] |= (byte) (0x80 >> at % 8);
        }
    }

    private static int sign(byte[] bits, int at) {
        return (bits[at / 8] << at % 8 & 0x80) != 0 ? 1 : -1;
    }

    /** The nearest whole number in [-largest, largest], halves away from zero. */
    private static int code(float value, float factor, float largest) {
        float scaled = Math.max(-largest, Math.min(largest, value * factor));
        return (int) (scaled < 0 ? scaled - 0.5f : scaled + 0.5f);
    }

    private static float cosine(double product, double left, double right) {
        return left > 0 && right > 0 ? (float) (product / Math.sqrt(left * right)) : 0;
    }

    private void check(int given, int wanted, String what) {
        if (given != wanted) {
            throw new IllegalArgumentException("a vector of " + given + " " + what + " is none of " + spec + ", which has " + wanted);
        }
    }
}
