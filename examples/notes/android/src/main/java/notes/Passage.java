package notes;

import java.util.ArrayList;
import java.util.List;

/** A paragraph of a note. */
public final class Passage {
    /** Name of the note. */
    public final String note;
    /** Its first line, from 1. */
    public final int line;
    /** Its text. */
    public final String text;

    Passage(String note, int line, String text) {
        this.note = note;
        this.line = line;
        this.text = text;
    }

    /** The paragraphs of a note: what blank lines divide. */
    static List<Passage> split(String note, String text) {
        List<Passage> found = new ArrayList<>();
        StringBuilder lines = new StringBuilder();
        int first = 1;
        int number = 0;
        for (String line : (text.replace("\r\n", "\n") + "\n").split("\n", -1)) {
            ++number;
            String stripped = strip(line);
            if (!stripped.isEmpty()) {
                lines.append(lines.length() == 0 ? "" : " ").append(stripped);
                continue;
            }
            if (lines.length() > 0) {
                found.add(new Passage(note, first, lines.toString()));
                lines.setLength(0);
            }
            first = number + 1;
        }
        return found;
    }

    /** A line without the space around it, as Unicode defines space. */
    private static String strip(String line) {
        int start = 0;
        int end = line.length();
        while (start < end && isSpace(line.charAt(start))) {
            ++start;
        }
        while (start < end && isSpace(line.charAt(end - 1))) {
            --end;
        }
        return line.substring(start, end);
    }

    private static boolean isSpace(char character) {
        return Character.isWhitespace(character) || Character.isSpaceChar(character) || character == 0x85;
    }
}
