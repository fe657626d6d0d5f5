package edgeemb;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Answers to questions, as Python's sessions find them: in windows over a text, the parts whose first and last token are the most probable. */
final class Questions {
    /** Tokens that two windows share, if a window has room for more. */
    private static final int OVERLAP = 128;
    /** Tokens of the longest answer. */
    private static final int LONGEST = 30;
    private static final int AROUND = 0;
    private static final int SECOND = 2;

    private Questions() {}

    /** The tokens of each window over the second text of a pair; all but that text stand in every window. */
    static List<Tokens> windows(Tokens whole, int limit) {
        int count = whole.ids.length;
        List<Tokens> windows = new ArrayList<>();
        if (count <= limit) {
            windows.add(whole);
            return windows;
        }
        int first = 0;
        while (first < count && whole.texts[first] != SECOND) {
            ++first;
        }
        int last = count;
        while (last > first && whole.texts[last - 1] != SECOND) {
            --last;
        }
        int others = count - (last - first);
        int room = limit - others;
        if (room < 1) {
            throw new IllegalArgumentException(
                    "the question and the tokens around it are " + others + " tokens, the model takes " + limit + ": shorten the question");
        }
        int shared = Math.min(OVERLAP, limit / 2);
        int step = room - (shared < room ? shared : room / 2);
        int begin = first;
        do {
            int end = Math.min(begin + room, last);
            windows.add(whole.without(first, begin, end, last));
            begin += step;
        } while (begin - step + room < last);
        return windows;
    }

    /** The best answers in a window, none over another, the best first. */
    static List<Answer> answers(String text, Tokens tokens, float[] startLogits, float[] endLogits, int top) {
        float[] first = probabilities(tokens, startLogits);
        float[] last = probabilities(tokens, endLogits);
        int count = tokens.ids.length;
        int[] begins = new int[count];
        for (int token = 0; token < count; ++token) {
            begins[token] = tokens.starts[token];
            while (begins[token] < text.length() && Answers.isSpace(text.codePointAt(begins[token]))) {
                begins[token] += Character.charCount(text.codePointAt(begins[token]));
            }
        }
        List<Answer> found = new ArrayList<>();
        while (found.size() < top) {
            double best = 0;
            int from = -1;
            int to = -1;
            for (int low = 0; low < count; ++low) {
                for (int high = low; tokens.texts[low] == SECOND && high < Math.min(count, low + LONGEST); ++high) {
                    double score = (double) first[low] * last[high];
                    if (score > best && tokens.texts[high] == SECOND && begins[low] < tokens.ends[high] && !over(found, begins[low], tokens.ends[high])) {
                        best = score;
                        from = low;
                        to = high;
                    }
                }
            }
            if (from < 0) {
                break;
            }
            found.add(new Answer(text.substring(begins[from], tokens.ends[to]), begins[from], tokens.ends[to], (float) best));
        }
        return found;
    }

    /** The answers of a further window joined with the best of those before it. */
    static List<Answer> joined(List<Answer> known, List<Answer> more, int top) {
        List<Answer> all = new ArrayList<>(known);
        all.addAll(more);
        all.sort((left, right) -> Float.compare(right.score, left.score));
        List<Answer> found = new ArrayList<>();
        for (Answer answer : all) {
            if (found.size() < top && !over(found, answer.start, answer.end)) {
                found.add(answer);
            }
        }
        return found;
    }

    private static boolean over(List<Answer> found, int start, int end) {
        for (Answer known : found) {
            if (start < known.end && known.start < end) {
                return true;
            }
        }
        return false;
    }

    /** Softmax over the tokens of the text, and a special token at the very beginning, by which models say that there is no answer. */
    private static float[] probabilities(Tokens tokens, float[] logits) {
        float[] counted = Arrays.copyOf(logits, tokens.ids.length);
        for (int token = 0; token < counted.length; ++token) {
            if (tokens.texts[token] != SECOND && (token > 0 || tokens.texts[token] != AROUND)) {
                counted[token] = -1e30f;
            }
        }
        return Answers.probabilities(counted, 0, counted.length, "softmax");
    }
}
