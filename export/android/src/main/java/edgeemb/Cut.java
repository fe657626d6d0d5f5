package edgeemb;

/** Which text of a pair is cut where both have too many tokens together. The order is that of runtimes/text/around.h. */
public enum Cut {
    /** A token at a time, of the text that has more of them. */
    LONGEST_FIRST,
    /** The first. */
    ONLY_FIRST,
    /** The second. */
    ONLY_SECOND
}
