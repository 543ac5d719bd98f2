// The arguments of our programs: --key value, --key=value, or --flag.

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An unknown key is an error, so that a typing mistake never changes a run in silence. */
final class Flags {
    private final Map<String, List<String>> given = new LinkedHashMap<>();
    private final Set<String> asked = new HashSet<>();

    Flags(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            if (!arguments[i].startsWith("--")) {
                throw new IllegalArgumentException("not a flag: " + arguments[i]);
            }
            String key = arguments[i].substring(2);
            String value = "true";
            int equals = key.indexOf('=');
            if (equals > 0) {
                value = key.substring(equals + 1);
                key = key.substring(0, equals);
            } else if (i + 1 < arguments.length && !arguments[i + 1].startsWith("--")) {
                value = arguments[++i];
            }
            given.computeIfAbsent(key, unused -> new ArrayList<>()).add(value);
        }
    }

    boolean has(String key) {
        asked.add(key);
        return given.containsKey(key);
    }

    List<String> all(String key) {
        asked.add(key);
        return given.getOrDefault(key, List.of());
    }

    String text(String key, String otherwise) {
        List<String> values = all(key);
        return values.isEmpty() ? otherwise : values.get(values.size() - 1);
    }

    String required(String key) {
        String value = text(key, null);
        if (value == null) {
            throw new IllegalArgumentException("missing --" + key);
        }
        return value;
    }

    boolean flag(String key, boolean otherwise) {
        return Boolean.parseBoolean(text(key, Boolean.toString(otherwise)));
    }

    int integer(String key, int otherwise) {
        return Integer.parseInt(text(key, Integer.toString(otherwise)));
    }

    double number(String key, double otherwise) {
        return Double.parseDouble(text(key, Double.toString(otherwise)));
    }

    /** To be called once every key was asked for. */
    void done() {
        for (String key : given.keySet()) {
            if (!asked.contains(key)) {
                throw new IllegalArgumentException("unknown flag --" + key);
            }
        }
    }
}
