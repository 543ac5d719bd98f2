// Receives a sequence and says what it saw: --uri URI --from DESTINATION [--count N] [--idle-ms MS] [--user U
// --password P]. It prints {"ready":true} once subscribed, and at the end what came, by pid and seq.

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;

public final class Consume {
    private final Map<String, Set<Long>> seen = new HashMap<>();
    private final Map<String, Long> last = new HashMap<>();
    private int received;
    private int duplicates;
    private int redelivered;
    private int outOfOrder;

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Json.endWithStdin();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String from = flags.required("from");
        int count = flags.integer("count", Integer.MAX_VALUE);
        int idle = flags.integer("idle-ms", 5_000);
        flags.done();

        connection.start();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(Messages.destination(from));
        Json.print(Json.object().put("ready", true));
        Consume sequences = new Consume();
        while (sequences.received < count) {
            Message message = consumer.receive(idle);
            if (message == null) {
                break;
            }
            sequences.add(message);
        }
        connection.close();
        Json.print(sequences.summary());
        System.exit(0);
    }

    private void add(Message message) throws Exception {
        String pid = message.getStringProperty("pid");
        long seq = message.getLongProperty("seq");
        received++;
        if (message.getJMSRedelivered()) {
            redelivered++;
        }
        if (!seen.computeIfAbsent(pid, unused -> new HashSet<>()).add(seq)) {
            duplicates++;
        }
        if (seq < last.getOrDefault(pid, -1L)) {
            outOfOrder++;
        }
        last.put(pid, seq);
    }

    private ObjectNode summary() {
        int distinct = seen.values().stream().mapToInt(Set::size).sum();
        long span = seen.values().stream().mapToLong(seqs -> Collections.max(seqs) + 1).sum();
        ObjectNode pids = Json.object();
        seen.forEach((pid, seqs) -> pids.put(pid, seqs.size()));
        ObjectNode node = Json.object().put("received", received).put("distinct", distinct)
                .put("duplicates", duplicates).put("redelivered", redelivered)
                .put("missing", span - distinct).put("out_of_order", outOfOrder);
        node.set("pids", pids);
        return node;
    }
}
