// A value together with its Java type, as JSON: {"int":5}.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.fusesource.hawtbuf.UTF8Buffer;

/**
 * Floating point as the hex of its bits, bytes as hex, a char as its number, a string with a lone
 * surrogate (which JSON readers refuse) as {"utf16": hex of its code units}; null is null.
 */
final class Values {
    static Object read(JsonNode node) {
        if (node == null || node.isNull()) {
            return null;
        }
        if (!node.isObject() || node.size() != 1) {
            throw new IllegalArgumentException("not one typed value: " + node);
        }
        Map.Entry<String, JsonNode> field = node.fields().next();
        JsonNode value = field.getValue();
        switch (field.getKey()) {
            case "boolean": return value.booleanValue();
            case "byte": return (byte) value.intValue();
            case "char": return (char) value.intValue();
            case "short": return (short) value.intValue();
            case "int": return value.intValue();
            case "long": return value.longValue();
            case "float": return Float.intBitsToFloat(Integer.parseUnsignedInt(value.textValue(), 16));
            case "double": return Double.longBitsToDouble(Long.parseUnsignedLong(value.textValue(), 16));
            case "string": return value.textValue();
            case "utf16": return fromUnits(value.textValue());
            case "bytes": return Json.unhex(value.textValue());
            case "map": return readMap(value);
            case "list": return readList(value);
            default: throw new IllegalArgumentException("unknown type: " + field.getKey());
        }
    }

    static JsonNode write(Object value) {
        ObjectNode node = Json.object();
        if (value == null) {
            return node.nullNode();
        } else if (value instanceof Boolean) {
            return node.put("boolean", (Boolean) value);
        } else if (value instanceof Byte) {
            return node.put("byte", (Byte) value);
        } else if (value instanceof Character) {
            return node.put("char", (int) (Character) value);
        } else if (value instanceof Short) {
            return node.put("short", (Short) value);
        } else if (value instanceof Integer) {
            return node.put("int", (Integer) value);
        } else if (value instanceof Long) {
            return node.put("long", (Long) value);
        } else if (value instanceof Float) {
            return node.put("float", String.format("%08x", Float.floatToRawIntBits((Float) value)));
        } else if (value instanceof Double) {
            return node.put("double", String.format("%016x", Double.doubleToRawLongBits((Double) value)));
        } else if (value instanceof String || value instanceof UTF8Buffer) {
            return writeString(value.toString());
        } else if (value instanceof byte[]) {
            return node.put("bytes", Json.hex((byte[]) value));
        } else if (value instanceof Map) {
            return writeMap((Map<?, ?>) value);
        } else if (value instanceof List) {
            ArrayNode items = node.putArray("list");
            ((List<?>) value).forEach(item -> items.add(write(item)));
            return node;
        }
        return node.put("class", value.getClass().getName());
    }

    private static Map<String, Object> readMap(JsonNode node) {
        Map<String, Object> map = new LinkedHashMap<>();
        node.fields().forEachRemaining(entry -> map.put(entry.getKey(), read(entry.getValue())));
        return map;
    }

    private static List<Object> readList(JsonNode node) {
        List<Object> list = new ArrayList<>();
        node.forEach(item -> list.add(read(item)));
        return list;
    }

    private static JsonNode writeMap(Map<?, ?> map) {
        ObjectNode node = Json.object();
        ObjectNode entries = node.putObject("map");
        map.forEach((name, item) -> entries.set(name.toString(), write(item)));
        return node;
    }

    private static JsonNode writeString(String text) {
        boolean lone = text.codePoints().anyMatch(c -> c >= 0xd800 && c <= 0xdfff);
        if (!lone) {
            return Json.object().put("string", text);
        }
        StringBuilder units = new StringBuilder();
        text.chars().forEach(unit -> units.append(String.format("%04x", unit)));
        return Json.object().put("utf16", units.toString());
    }

    private static String fromUnits(String hex) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < hex.length(); i += 4) {
            text.append((char) Integer.parseInt(hex.substring(i, i + 4), 16));
        }
        return text.toString();
    }

    private Values() {}
}
