package edgeemb;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** From the outputs of a model to answers, as Python's sessions make them. */
final class Answers {
    private Answers() {}

    /** Logits [from, from + count) as probabilities: softmax, sigmoid, or the logits as they are. */
    static float[] probabilities(float[] logits, int from, int count, String activation) {
        float[] scores = Arrays.copyOfRange(logits, from, from + count);
        if (activation.equals("softmax")) {
            double sum = 0;
            float largest = scores[best(scores)];
            for (float score : scores) {
                sum += Math.exp(score - largest);
            }
            for (int place = 0; place < count; ++place) {
                scores[place] = (float) (Math.exp(scores[place] - largest) / sum);
            }
        } else if (activation.equals("sigmoid")) {
            for (int place = 0; place < count; ++place) {
                scores[place] = (float) (1 / (1 + Math.exp(-scores[place])));
            }
        }
        return scores;
    }

    /** The classes of a text, the most probable first. */
    static Label[] classes(float[] logits, ModelInfo info) {
        float[] scores = probabilities(logits, 0, logits.length, info.activation.isEmpty() ? "softmax" : info.activation);
        Label[] found = new Label[scores.length];
        for (int place = 0; place < found.length; ++place) {
            found[place] = new Label(info.label(place), scores[place]);
        }
        Arrays.sort(found, (left, right) -> Float.compare(right.score, left.score));
        return found;
    }

    /** Texts by the score that each has with the query, the best first. */
    static Ranked[] ranked(String[] texts, float[] logits, ModelInfo info) {
        Integer[] order = new Integer[texts.length];
        for (int place = 0; place < order.length; ++place) {
            order[place] = place;
        }
        Arrays.sort(order, (left, right) -> Float.compare(logits[right], logits[left]));
        Ranked[] found = new Ranked[texts.length];
        for (int place = 0; place < found.length; ++place) {
            int index = order[place];
            found[place] = new Ranked(index, texts[index], probabilities(logits, index, 1, info.activation)[0]);
        }
        return found;
    }

    /** The words of a text with their labels; a word has the label of its first piece. Words that were cut off are left out. */
    static Word[] words(String text, Tokens tokens, float[] logits, ModelInfo info) {
        int[] first = firstPieces(text, tokens);
        List<Word> found = new ArrayList<>();
        for (int start = 0, end; start < text.length(); start = end) {
            end = wordEnd(text, start);
            int piece = -1;
            for (int at = start; at < end && piece < 0 && !isSpace(text.codePointAt(start)); ++at) {
                piece = first[at];
            }
            if (piece >= 0) {
                float[] scores = probabilities(logits, piece * info.dim, info.dim, "softmax");
                int best = best(scores);
                found.add(new Word(text.substring(start, end), start, end, info.label(best), scores[best]));
            }
        }
        return found.toArray(new Word[0]);
    }

    /**
     * The most probable tokens of a place: of all, or where {@code best} is not null of those that it names, whose scores fall. Ids without a
     * token are left out.
     */
    static Filling[] fillings(float[] scores, float[] best, int top, Spellings spellings) {
        Integer[] order = new Integer[scores.length];
        for (int place = 0; place < order.length; ++place) {
            order[place] = place;
        }
        if (best == null) {
            Arrays.sort(order, (left, right) -> Float.compare(scores[right], scores[left]));
        }
        List<Filling> found = new ArrayList<>();
        for (int place = 0; place < order.length && found.size() < top; ++place) {
            String text = spellings.of(best == null ? order[place] : (int) best[place]);
            if (text != null) {
                found.add(new Filling(text, scores[order[place]]));
            }
        }
        return found.toArray(new Filling[0]);
    }

    /** The first token that stands for each char, without the space in front of it; -1 where there is none. */
    private static int[] firstPieces(String text, Tokens tokens) {
        int[] first = new int[text.length()];
        Arrays.fill(first, -1);
        for (int place = tokens.ids.length - 1; place >= 0; --place) {
            int low = tokens.starts[place];
            while (low < tokens.ends[place] && isSpace(text.codePointAt(low))) {
                ++low;
            }
            Arrays.fill(first, low, Math.max(low, tokens.ends[place]), place);
        }
        return first;
    }

    /** End of the word at a char: a run of letters and digits, or one other character. */
    private static int wordEnd(String text, int start) {
        int end = start;
        while (end < text.length() && isOfWord(text.codePointAt(end))) {
            end += Character.charCount(text.codePointAt(end));
        }
        return end > start ? end : start + Character.charCount(text.codePointAt(start));
    }

    private static boolean isOfWord(int character) {
        int type = Character.getType(character);
        return Character.isLetterOrDigit(character) || type == Character.LETTER_NUMBER || type == Character.OTHER_NUMBER || character == '_';
    }

    static boolean isSpace(int character) {
        return Character.isWhitespace(character) || Character.isSpaceChar(character) || character == 0x85;
    }

    private static int best(float[] scores) {
        int best = 0;
        for (int place = 1; place < scores.length; ++place) {
            best = scores[place] > scores[best] ? place : best;
        }
        return best;
    }
}
