// Many connections of ActiveMQ's client in one process: --uri URI --connections N. Each has a session, a consumer and a
// producer. It answers each line on stdin: connect, settle (collects garbage), send (one message a connection).

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.jms.DeliveryMode;
import javax.jms.JMSException;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;

public final class Storming {
    private static final int AT_ONCE = 16;
    private static final int QUEUES = 50;

    private static final class Client {
        final ActiveMQConnection connection;
        final Session session;
        final MessageProducer producer;

        Client(ActiveMQConnectionFactory factory, int number) throws JMSException {
            connection = (ActiveMQConnection) factory.createConnection();
            connection.start();
            session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
            Queue queue = session.createQueue("STORM." + number % QUEUES);
            session.createConsumer(queue).setMessageListener(message -> {});
            producer = session.createProducer(queue);
            producer.setDeliveryMode(DeliveryMode.PERSISTENT);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(flags.required("uri"));
        int connections = flags.integer("connections", 1000);
        flags.done();

        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
        List<Client> clients = new ArrayList<>();
        Json.print(Json.object().put("ready", true));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            List<Callable<Client>> work = new ArrayList<>();
            switch (line.trim()) {
                case "connect":
                    for (int i = 0; i < connections; i++) {
                        int number = i;
                        work.add(() -> new Client(factory, number));
                    }
                    for (Future<Client> made : pool.invokeAll(work)) {
                        clients.add(made.get());
                    }
                    break;
                case "settle":
                    System.gc();
                    break;
                case "send":
                    for (Client client : clients) {
                        work.add(() -> {
                            client.producer.send(client.session.createTextMessage("x"));
                            return client;
                        });
                    }
                    for (Future<Client> sent : pool.invokeAll(work)) {
                        sent.get();
                    }
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
            Json.print(Json.object().put("done", line.trim()));
        }
        Runtime.getRuntime().halt(0);
    }

    private Storming() {}
}
