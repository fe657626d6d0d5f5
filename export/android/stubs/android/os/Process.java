package android.os;

public class Process {
    public static boolean is64Bit() {
        return true;
    }
}
