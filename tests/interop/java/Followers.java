// Many failover clients that consume from one queue: --uri URI, once for each, --from QUEUE. It prints {"ready":true} when
// all are there. For each line of input it says where they are, how many brokers each was told of, how often they were
// connected again, and which messages have come, since it was asked last: {"where":[..],"known":[..],"resumed":N,"seen":[..]}.

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import javax.jms.JMSException;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.transport.TransportListener;
import org.apache.activemq.transport.failover.FailoverTransport;

public final class Followers {
    private static final ConcurrentLinkedQueue<Long> SEEN = new ConcurrentLinkedQueue<>();
    private static final AtomicInteger RESUMED = new AtomicInteger();

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        String from = flags.required("from");
        List<ActiveMQConnection> connections = new ArrayList<>();
        for (String uri : flags.all("uri")) {
            connections.add(connect(uri, from));
        }
        flags.done();
        Json.print(Json.object().put("ready", true));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            Json.print(look(connections));
        }
        Runtime.getRuntime().halt(0);
    }

    private static ActiveMQConnection connect(String uri, String from) throws JMSException {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(uri);
        factory.getPrefetchPolicy().setQueuePrefetch(10);
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        session.createConsumer(Messages.destination(from)).setMessageListener(message -> {
            try {
                SEEN.add(message.getLongProperty("n"));
            } catch (JMSException error) {
                throw new IllegalStateException(error);
            }
        });
        connection.addTransportListener(new TransportListener() {
            @Override
            public void onCommand(Object command) {}

            @Override
            public void onException(IOException error) {}

            @Override
            public void transportInterupted() {}

            @Override
            public void transportResumed() {
                RESUMED.incrementAndGet();
            }
        });
        connection.start();
        return connection;
    }

    private static ObjectNode look(List<ActiveMQConnection> connections) throws Exception {
        ArrayNode where = Json.array();
        ArrayNode known = Json.array();
        // What a broker has told it, which it keeps to itself.
        Field updated = FailoverTransport.class.getDeclaredField("updated");
        updated.setAccessible(true);
        for (ActiveMQConnection connection : connections) {
            FailoverTransport transport = connection.getTransport().narrow(FailoverTransport.class);
            where.add(String.valueOf(transport.getConnectedTransportURI()));
            known.add(((Collection<?>) updated.get(transport)).size());
        }
        ArrayNode seen = Json.array();
        for (Long number = SEEN.poll(); number != null; number = SEEN.poll()) {
            seen.add(number);
        }
        ObjectNode node = Json.object().put("resumed", RESUMED.getAndSet(0));
        node.set("where", where);
        node.set("known", known);
        node.set("seen", seen);
        return node;
    }
}
