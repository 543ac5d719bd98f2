// A JMS message as JSON, read and written through the public getters and setters of ActiveMQ's client.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.net.URL;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import javax.jms.BytesMessage;
import javax.jms.Destination;
import javax.jms.JMSException;
import javax.jms.MapMessage;
import javax.jms.Message;
import javax.jms.MessageEOFException;
import javax.jms.ObjectMessage;
import javax.jms.StreamMessage;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.command.ActiveMQBlobMessage;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQObjectMessage;
import org.apache.activemq.util.ByteSequence;

/**
 * {"type","headers":{..},"properties":{name: value},"compressed","body"}; values as in Values. Body: text a value;
 * bytes {"bytes": hex}, or (to send) a list of values to write; map an object of values; stream a list of values;
 * object a value, or (to send) {"serialized": hex}; blob {"url","mimeType","deletedByBroker"}.
 */
final class Messages {
    static ActiveMQMessage build(ActiveMQSession session, JsonNode node) throws Exception {
        ActiveMQMessage message = (ActiveMQMessage) withBody(session, node.path("type").asText(), node.path("body"));
        JsonNode headers = node.path("headers");
        message.setJMSCorrelationID(headers.path("correlationId").textValue());
        message.setJMSType(headers.path("type").textValue());
        if (headers.hasNonNull("replyTo")) {
            message.setJMSReplyTo(destination(headers.get("replyTo").asText()));
        }
        if (headers.hasNonNull("groupID")) {
            message.setStringProperty("JMSXGroupID", headers.get("groupID").asText());
            message.setIntProperty("JMSXGroupSeq", headers.path("groupSequence").asInt(0));
        }
        for (var fields = node.path("properties").fields(); fields.hasNext(); ) {
            Map.Entry<String, JsonNode> property = fields.next();
            set(message, property.getKey(), Values.read(property.getValue()));
        }
        return message;
    }

    static ObjectNode describe(ActiveMQMessage message, String layout) throws Exception {
        ObjectNode node = Json.object();
        node.put("type", typeOf(message));
        node.put("compressed", message.isCompressed());
        headers(message, node.putObject("headers"));
        ObjectNode properties = node.putObject("properties");
        for (Object name : Collections.list(message.getPropertyNames())) {
            if (!name.toString().startsWith("JMSX")) {
                properties.set(name.toString(), Values.write(message.getObjectProperty(name.toString())));
            }
        }
        ObjectNode received = node.putObject("received");
        received.put("messageId", message.getJMSMessageID());
        received.put("destination", message.getDestination().getQualifiedName());
        received.put("timestamp", message.getJMSTimestamp());
        received.put("expiration", message.getJMSExpiration());
        received.put("redelivered", message.getJMSRedelivered());
        node.set("body", body(message, layout, received));
        return node;
    }

    static Destination destination(String name) {
        return ActiveMQDestination.createDestination(name, ActiveMQDestination.QUEUE_TYPE);
    }

    private static Message withBody(ActiveMQSession session, String type, JsonNode body) throws Exception {
        switch (type) {
            case "message":
                return session.createMessage();
            case "text":
                return session.createTextMessage((String) Values.read(body));
            case "bytes":
                BytesMessage bytes = session.createBytesMessage();
                for (JsonNode item : body.isArray() ? body : Json.array().add(body)) {
                    write(bytes, Values.read(item));
                }
                return bytes;
            case "map":
                MapMessage map = session.createMapMessage();
                for (var entries = body.fields(); entries.hasNext(); ) {
                    Map.Entry<String, JsonNode> entry = entries.next();
                    map.setObject(entry.getKey(), Values.read(entry.getValue()));
                }
                return map;
            case "stream":
                StreamMessage stream = session.createStreamMessage();
                for (JsonNode item : body) {
                    stream.writeObject(Values.read(item));
                }
                return stream;
            case "object":
                return object(session, body);
            case "blob":
                return blob(session, body);
            default:
                throw new IllegalArgumentException("unknown message type: " + type);
        }
    }

    private static Message object(ActiveMQSession session, JsonNode body) throws JMSException {
        if (body.hasNonNull("serialized")) {
            ActiveMQObjectMessage message = (ActiveMQObjectMessage) session.createObjectMessage();
            message.setContent(new ByteSequence(Json.unhex(body.get("serialized").asText())));
            return message;
        }
        return session.createObjectMessage((Serializable) Values.read(body));
    }

    private static Message blob(ActiveMQSession session, JsonNode body) throws Exception {
        URL url = new URL(body.path("url").asText());
        ActiveMQBlobMessage blob =
                (ActiveMQBlobMessage) session.createBlobMessage(url, body.path("deletedByBroker").asBoolean());
        blob.setMimeType(body.path("mimeType").textValue());
        return blob;
    }

    private static void set(Message message, String name, Object value) throws JMSException {
        if (value instanceof Boolean) {
            message.setBooleanProperty(name, (Boolean) value);
        } else if (value instanceof Byte) {
            message.setByteProperty(name, (Byte) value);
        } else if (value instanceof Short) {
            message.setShortProperty(name, (Short) value);
        } else if (value instanceof Integer) {
            message.setIntProperty(name, (Integer) value);
        } else if (value instanceof Long) {
            message.setLongProperty(name, (Long) value);
        } else if (value instanceof Float) {
            message.setFloatProperty(name, (Float) value);
        } else if (value instanceof Double) {
            message.setDoubleProperty(name, (Double) value);
        } else if (value instanceof String) {
            message.setStringProperty(name, (String) value);
        } else {
            message.setObjectProperty(name, value);
        }
    }

    private static void write(BytesMessage message, Object value) throws JMSException {
        if (value != null) {
            // Boxed primitives by their own writer, a string by writeUTF, an array as it is.
            message.writeObject(value);
        }
    }

    private static Object read(BytesMessage message, String type) throws JMSException {
        switch (type) {
            case "boolean": return message.readBoolean();
            case "byte": return message.readByte();
            case "char": return message.readChar();
            case "short": return message.readShort();
            case "int": return message.readInt();
            case "long": return message.readLong();
            case "float": return message.readFloat();
            case "double": return message.readDouble();
            case "string": return message.readUTF();
            default: throw new IllegalArgumentException("unknown type in the layout: " + type);
        }
    }

    private static String typeOf(Message message) {
        if (message instanceof ActiveMQBlobMessage) {
            return "blob";
        }
        return message instanceof TextMessage ? "text"
                : message instanceof BytesMessage ? "bytes"
                : message instanceof MapMessage ? "map"
                : message instanceof StreamMessage ? "stream"
                : message instanceof ObjectMessage ? "object" : "message";
    }

    private static void headers(ActiveMQMessage message, ObjectNode node) throws JMSException {
        long expiration = message.getJMSExpiration();
        Destination replyTo = message.getJMSReplyTo();
        node.put("correlationId", message.getJMSCorrelationID());
        node.put("replyTo", replyTo == null ? null : ((ActiveMQDestination) replyTo).getQualifiedName());
        node.put("type", message.getJMSType());
        node.put("priority", message.getJMSPriority());
        node.put("ttl", expiration == 0 ? 0 : expiration - message.getJMSTimestamp());
        node.put("persistent", message.isPersistent());
        node.put("groupID", message.getGroupID());
        node.put("groupSequence", message.getGroupSequence());
    }

    private static JsonNode body(ActiveMQMessage message, String layout, ObjectNode received) throws Exception {
        if (message instanceof ActiveMQBlobMessage) {
            ActiveMQBlobMessage blob = (ActiveMQBlobMessage) message;
            return Json.object().put("url", blob.getURL().toString())
                    .put("mimeType", blob.getMimeType()).put("deletedByBroker", blob.isDeletedByBroker());
        } else if (message instanceof TextMessage) {
            return Values.write(((TextMessage) message).getText());
        } else if (message instanceof BytesMessage) {
            return bytes((BytesMessage) message, layout);
        } else if (message instanceof MapMessage) {
            MapMessage map = (MapMessage) message;
            ObjectNode node = Json.object();
            for (Object name : Collections.list(map.getMapNames())) {
                node.set(name.toString(), Values.write(map.getObject(name.toString())));
            }
            return node;
        } else if (message instanceof StreamMessage) {
            return stream((StreamMessage) message);
        } else if (message instanceof ObjectMessage) {
            Object value = ((ObjectMessage) message).getObject();
            ByteSequence content = message.getContent();
            if (content != null && !message.isCompressed()) {
                int end = content.getOffset() + content.getLength();
                byte[] serialized = Arrays.copyOfRange(content.getData(), content.getOffset(), end);
                received.put("serialized", Json.hex(serialized));
            }
            return Values.write(value);
        }
        return Json.object().nullNode();
    }

    private static JsonNode bytes(BytesMessage message, String layout) throws JMSException {
        if (layout == null) {
            byte[] all = new byte[(int) message.getBodyLength()];
            message.readBytes(all);
            return Values.write(all);
        }
        ArrayNode values = Json.array();
        for (String type : layout.split(",")) {
            values.add(Values.write(read(message, type)));
        }
        return values;
    }

    private static JsonNode stream(StreamMessage message) throws JMSException {
        ArrayNode values = Json.array();
        try {
            while (true) {
                values.add(Values.write(message.readObject()));
            }
        } catch (MessageEOFException end) {
            return values;
        }
    }

    private Messages() {}
}
