// JSON lines on stdout, and the rule that a program ends with the one that started it.

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.HexFormat;

final class Json {
    // ASCII only: what is printed does not depend on the locale.
    private static final ObjectMapper MAPPER =
            JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    static ArrayNode array() {
        return MAPPER.createArrayNode();
    }

    static JsonNode parse(String line) throws IOException {
        return MAPPER.readTree(line);
    }

    /** Prints one line; whole even when several threads print. */
    static synchronized void print(JsonNode node) throws IOException {
        System.out.println(MAPPER.writeValueAsString(node));
        System.out.flush();
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    static byte[] unhex(String hex) {
        return HexFormat.of().parseHex(hex);
    }

    /** An exception out of main ends the process, although the JMS client left threads running. */
    static void endWithMain() {
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace();
            if (thread.getName().equals("main")) {
                Runtime.getRuntime().halt(1);
            }
        });
    }

    /** Ends the process at the end of stdin, which comes when the parent is gone, however it went. */
    static void endWithStdin() {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException gone) {
                // As good as the end.
            }
            Runtime.getRuntime().halt(1);
        }, "stdin");
        watch.setDaemon(true);
        watch.start();
    }

    private Json() {}
}
