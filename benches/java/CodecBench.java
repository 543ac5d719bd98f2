// The codec of ActiveMQ's client, v12, on one thread: nanoseconds and allocated bytes an operation, by the calls its
// TCP transport makes. Alone it prints a row a case; with --serve it measures slices as it is asked on stdin, so that
// another codec can be measured in between; --dump FOLDER writes the frames it measures.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTextMessage;
import org.apache.activemq.command.Command;
import org.apache.activemq.command.ConnectionId;
import org.apache.activemq.command.ConnectionInfo;
import org.apache.activemq.command.ConsumerId;
import org.apache.activemq.command.MessageAck;
import org.apache.activemq.command.MessageDispatch;
import org.apache.activemq.command.MessageId;
import org.apache.activemq.command.ProducerId;
import org.apache.activemq.command.SessionId;
import org.apache.activemq.command.WireFormatInfo;
import org.apache.activemq.openwire.OpenWireFormat;

public final class CodecBench {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final ProducerId PRODUCER = new ProducerId("ID:host-40001-1700000000000-1:1:1:1");
    private static final ConnectionId CONNECTION = new ConnectionId("ID:host-40001-1700000000000-3:1");
    private static final ConsumerId CONSUMER = new ConsumerId(new SessionId(CONNECTION, 1), 1);
    private static final ActiveMQQueue QUEUE = new ActiveMQQueue("orders.incoming");
    private static final int[] SIZES = {100, 1024, 16384};

    /** Keeps the compiler from leaving work out whose result nobody looks at. */
    static volatile Object sink;

    interface Operation {
        Object run() throws Exception;
    }

    /** Makes a command as an application would; for most cases always the same one. */
    interface Source {
        Command get() throws Exception;
    }

    static final class Case {
        final String command;
        final String encoding;
        final String operation;
        final int bytes;
        final Operation body;

        Case(String command, boolean tight, String operation, int bytes, Operation body) {
            this.command = command;
            this.encoding = tight ? "tight" : "loose";
            this.operation = operation;
            this.bytes = bytes;
            this.body = body;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        String dump = flags.text("dump", null);
        boolean serve = flags.flag("serve", false);
        double warm = flags.number("warm-seconds", 1.0);
        double slice = flags.number("slice-seconds", 0.25);
        int slices = flags.integer("slices", 5);
        flags.done();

        List<Case> cases = new ArrayList<>();
        for (boolean tight : new boolean[] {true, false}) {
            cases.addAll(cases(tight, dump == null ? null : Files.createDirectories(Path.of(dump))));
        }
        if (serve) {
            serve(cases);
            return;
        }
        for (Case one : cases) {
            measure(one, warm);
            List<ObjectNode> rows = new ArrayList<>();
            for (int i = 0; i < slices; i++) {
                rows.add(measure(one, slice));
            }
            rows.sort((a, b) -> Double.compare(a.get("ns_per_op").asDouble(), b.get("ns_per_op").asDouble()));
            Json.print(describe(one).setAll(rows.get(rows.size() / 2)));
        }
    }

    /** {"cases":[..]}, and then a slice for each line "INDEX SECONDS". */
    private static void serve(List<Case> cases) throws Exception {
        ArrayNode list = Json.array();
        cases.forEach(one -> list.add(describe(one)));
        Json.print(Json.object().set("cases", list));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.trim().split(" ");
            Json.print(measure(cases.get(Integer.parseInt(words[0])), Double.parseDouble(words[1])));
        }
    }

    private static ObjectNode describe(Case one) {
        return Json.object().put("command", one.command).put("encoding", one.encoding)
                .put("operation", one.operation).put("frame_bytes", one.bytes);
    }

    private static ObjectNode measure(Case one, double seconds) throws Exception {
        long self = Thread.currentThread().getId();
        long allocated = THREADS.getThreadAllocatedBytes(self);
        long begin = System.nanoTime();
        long stop = begin + (long) (seconds * 1e9);
        long operations = 0;
        long end;
        do {
            for (int i = 0; i < 256; i++) {
                sink = one.body.run();
            }
            operations += 256;
            end = System.nanoTime();
        } while (end < stop);
        allocated = THREADS.getThreadAllocatedBytes(self) - allocated;
        return Json.object().put("ns_per_op", (end - begin) / (double) operations)
                .put("allocated_bytes_per_op", allocated / (double) operations).put("operations", operations);
    }

    private static List<Case> cases(boolean tight, Path dump) throws Exception {
        List<Case> cases = new ArrayList<>();
        for (int size : SIZES) {
            MessageDispatch dispatch = dispatch(size);
            cases.addAll(both("MessageDispatch/" + size, dispatch, tight, dump));
        }
        cases.addAll(both("MessageAck", acknowledgement(), tight, dump));
        cases.addAll(both("ConnectionInfo", connectionInfo(), tight, dump));
        cases.addAll(both("WireFormatInfo", wireFormatInfo(), tight, dump));
        for (int size : SIZES) {
            String body = filler(size);
            cases.add(marshal("TextMessage/" + size, "build+marshal", () -> text(body), tight, dump));
        }
        return cases;
    }

    private static List<Case> both(String name, Command command, boolean tight, Path dump) throws Exception {
        OpenWireFormat writer = format(tight);
        byte[] first = frame(writer, command);
        byte[] steady = frame(writer, command);
        OpenWireFormat reader = format(tight);
        reader.unmarshal(new DataInputStream(new ByteArrayInputStream(first)));
        ByteArrayInputStream bytes = new ByteArrayInputStream(steady);
        DataInputStream input = new DataInputStream(bytes);
        Case unmarshal = new Case(name, tight, "unmarshal", steady.length, () -> {
            bytes.reset();
            return reader.unmarshal(input);
        });
        return List.of(marshal(name, "marshal", () -> command, tight, dump), unmarshal);
    }

    private static Case marshal(String name, String operation, Source source, boolean tight, Path dump)
            throws Exception {
        OpenWireFormat format = format(tight);
        // The first frame introduces the cached ids; the second is what every later one is like.
        byte[] first = frame(format, source.get());
        byte[] steady = frame(format, source.get());
        if (dump != null) {
            String file = name.replace('/', '-') + (tight ? ".tight" : ".loose");
            Files.write(dump.resolve(file + ".first.bin"), first);
            Files.write(dump.resolve(file + ".steady.bin"), steady);
        }
        Buffer buffer = new Buffer();
        DataOutputStream output = new DataOutputStream(buffer);
        return new Case(name, tight, operation, steady.length, () -> {
            buffer.length = 0;
            format.marshal(source.get(), output);
            return buffer;
        });
    }

    private static OpenWireFormat format(boolean tight) {
        OpenWireFormat format = new OpenWireFormat(12);
        format.setTightEncodingEnabled(tight);
        format.setCacheEnabled(true);
        format.setSizePrefixDisabled(false);
        return format;
    }

    private static byte[] frame(OpenWireFormat format, Command command) throws Exception {
        Buffer buffer = new Buffer();
        format.marshal(command, new DataOutputStream(buffer));
        return Arrays.copyOf(buffer.bytes, buffer.length);
    }

    /** Without the lock of ByteArrayOutputStream, as the transport's own buffer has none. */
    private static final class Buffer extends OutputStream {
        final byte[] bytes = new byte[1 << 16];
        int length;

        @Override
        public void write(int octet) {
            bytes[length++] = (byte) octet;
        }

        @Override
        public void write(byte[] source, int offset, int count) {
            System.arraycopy(source, offset, bytes, length, count);
            length += count;
        }
    }

    private static ActiveMQTextMessage text(String body) throws Exception {
        ActiveMQTextMessage message = new ActiveMQTextMessage();
        message.setText(body);
        message.setStringProperty("pid", "p4711");
        message.setLongProperty("seq", 1000);
        message.setProducerId(PRODUCER);
        message.setDestination(QUEUE);
        message.setMessageId(new MessageId(PRODUCER, 1000));
        message.setPersistent(true);
        message.setPriority((byte) 4);
        message.setTimestamp(1_700_000_000_123L);
        message.setCommandId(77);
        message.setResponseRequired(true);
        return message;
    }

    private static MessageDispatch dispatch(int size) throws Exception {
        ActiveMQTextMessage message = text(filler(size));
        // Content and properties are bytes by now, as they are in a broker.
        message.beforeMarshall(null);
        message.setBrokerInTime(1_700_000_000_124L);
        message.setBrokerOutTime(1_700_000_000_125L);
        MessageDispatch dispatch = new MessageDispatch();
        dispatch.setConsumerId(CONSUMER);
        dispatch.setDestination(QUEUE);
        dispatch.setMessage(message);
        return dispatch;
    }

    private static MessageAck acknowledgement() {
        MessageAck acknowledgement = new MessageAck();
        acknowledgement.setAckType(MessageAck.STANDARD_ACK_TYPE);
        acknowledgement.setConsumerId(CONSUMER);
        acknowledgement.setDestination(QUEUE);
        acknowledgement.setFirstMessageId(new MessageId(PRODUCER, 1));
        acknowledgement.setLastMessageId(new MessageId(PRODUCER, 500));
        acknowledgement.setMessageCount(500);
        acknowledgement.setCommandId(9);
        return acknowledgement;
    }

    private static ConnectionInfo connectionInfo() {
        ConnectionInfo info = new ConnectionInfo(CONNECTION);
        info.setClientId("billing");
        info.setUserName("user");
        info.setPassword("password");
        info.setFaultTolerant(true);
        info.setManageable(true);
        info.setClientMaster(true);
        info.setResponseRequired(true);
        info.setCommandId(1);
        return info;
    }

    private static WireFormatInfo wireFormatInfo() throws Exception {
        WireFormatInfo info = new WireFormatInfo();
        info.setVersion(12);
        info.setStackTraceEnabled(true);
        info.setTcpNoDelayEnabled(true);
        info.setCacheEnabled(true);
        info.setTightEncodingEnabled(true);
        info.setSizePrefixDisabled(false);
        info.setMaxInactivityDuration(30_000);
        info.setMaxInactivityDurationInitalDelay(10_000);
        info.setCacheSize(1024);
        info.setMaxFrameSize(Long.MAX_VALUE);
        info.setProviderName("ActiveMQ");
        info.setProviderVersion("5.17.2");
        info.setPlatformDetails("Java");
        return info;
    }

    private static String filler(int size) {
        StringBuilder text = new StringBuilder(size);
        for (int i = 0; i < size; i++) {
            text.append((char) ('a' + (i * 7 + i / 26) % 26));
        }
        return text.toString();
    }

    private CodecBench() {}
}
