package edgeemb;

/** Arithmetic on vectors. A bundle's model pools and normalises by itself; {@code mean} and {@code maxSim} are for models that give a row for each token. */
public final class Vectors {
    private Vectors() {}

    /**
     * Mean of the rows whose mask is not 0.
     *
     * @param rows float[tokens * dim], row by row.
     * @param mask long[tokens].
     * @param dim elements in a row.
     * @return float[dim]; zeros where every token is masked out.
     */
    public static float[] mean(float[] rows, long[] mask, int dim) {
        if (dim < 1 || rows.length != mask.length * dim) {
            throw new IllegalArgumentException(rows.length + " values are no rows of " + dim + " for " + mask.length + " tokens");
        }
        double[] sums = new double[dim];
        int count = 0;
        for (int token = 0; token < mask.length; ++token) {
            if (mask[token] != 0) {
                ++count;
                for (int column = 0; column < dim; ++column) {
                    sums[column] += rows[token * dim + column];
                }
            }
        }
        float[] mean = new float[dim];
        for (int column = 0; column < dim; ++column) {
            mean[column] = count == 0 ? 0 : (float) (sums[column] / count);
        }
        return mean;
    }

    /**
     * The vector at length 1; zeros stay zeros.
     *
     * @param vector any values.
     * @return a new vector.
     */
    public static float[] normalized(float[] vector) {
        double length = Math.sqrt(dot(vector, vector));
        float[] result = new float[vector.length];
        for (int column = 0; column < vector.length && length > 0; ++column) {
            result[column] = (float) (vector[column] / length);
        }
        return result;
    }

    /**
     * Similarity of two vectors.
     *
     * @param left any values.
     * @param right as many.
     * @return their cosine, in [-1, 1]; 0 where one is zero.
     */
    public static float cosine(float[] left, float[] right) {
        double lengths = Math.sqrt(dot(left, left) * dot(right, right));
        return lengths > 0 ? (float) (dot(left, right) / lengths) : 0;
    }

    /**
     * How well a document answers a query, by a vector for each token: of each vector of the query the largest dot product with one of the
     * document's, summed (MaxSim).
     *
     * @param query what {@link TextModel#encodeTokens} gave for the query.
     * @param document what it gave for the document; one vector at least.
     * @return the sum, at most the vectors of the query.
     */
    public static float maxSim(float[][] query, float[][] document) {
        if (document.length == 0) {
            throw new IllegalArgumentException("the document has no vectors: nothing can be compared");
        }
        double sum = 0;
        for (float[] left : query) {
            double largest = Double.NEGATIVE_INFINITY;
            for (float[] right : document) {
                largest = Math.max(largest, dot(left, right));
            }
            sum += largest;
        }
        return (float) sum;
    }

    private static double dot(float[] left, float[] right) {
        if (left.length != right.length) {
            throw new IllegalArgumentException("vectors of " + left.length + " and " + right.length + " elements do not belong together");
        }
        double sum = 0;
        for (int column = 0; column < left.length; ++column) {
            sum += (double) left[column] * right[column];
        }
        return sum;
    }
}
