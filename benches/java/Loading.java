// A load of ActiveMQ's client: --uri URI --producers N --consumers N (of each producer's destination) --count N (of each
// producer) [--persistent] [--awaited] [--topic]. A quarter is sent first; then {"warm":true}, and after a line on stdin
// all the rest, and {"done":true} when the broker has it and the consumers have got it.

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.jms.DeliveryMode;
import javax.jms.Destination;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;

public final class Loading {
    private static final int SIZE = 1024;

    private static final class Sender {
        final Session session;
        final MessageProducer producer;

        Sender(Session session, MessageProducer producer) {
            this.session = session;
            this.producer = producer;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        String uri = flags.required("uri");
        boolean persistent = flags.flag("persistent", false);
        boolean awaited = flags.flag("awaited", false);
        boolean topic = flags.flag("topic", false);
        int producers = flags.integer("producers", 1);
        int consumers = flags.integer("consumers", 0);
        int count = flags.integer("count", 1);
        flags.done();

        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(uri);
        factory.setUseAsyncSend(!awaited);
        factory.setAlwaysSyncSend(awaited);
        List<Sender> senders = new ArrayList<>();
        List<MessageConsumer> receivers = new ArrayList<>();
        for (int number = 0; number < producers; number++) {
            for (int i = 0; i < consumers; i++) {
                Session session = session(factory);
                receivers.add(session.createConsumer(destination(session, topic, number)));
            }
            Session session = session(factory);
            MessageProducer producer = session.createProducer(destination(session, topic, number));
            producer.setDeliveryMode(persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
            senders.add(new Sender(session, producer));
        }
        ExecutorService threads = Executors.newCachedThreadPool();
        round(threads, senders, receivers, count / 4);
        Json.print(Json.object().put("warm", true));
        System.in.read();
        round(threads, senders, receivers, count);
        Json.print(Json.object().put("done", true));
        System.exit(0);
    }

    private static Session session(ActiveMQConnectionFactory factory) throws Exception {
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        connection.start();
        return connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
    }

    private static Destination destination(Session session, boolean topic, int number) throws Exception {
        String name = "LOAD." + number;
        return topic ? session.createTopic(name) : session.createQueue(name);
    }

    private static void round(
            ExecutorService threads, List<Sender> senders, List<MessageConsumer> receivers, int count)
            throws Exception {
        List<Callable<Void>> work = new ArrayList<>();
        String body = "x".repeat(SIZE);
        for (Sender sender : senders) {
            work.add(() -> {
                for (int i = 0; i < count; i++) {
                    sender.producer.send(sender.session.createTextMessage(body));
                }
                // Answered behind all that was sent before: the broker has it.
                sender.session.createTemporaryQueue().delete();
                return null;
            });
        }
        for (MessageConsumer receiver : receivers) {
            work.add(() -> {
                for (int i = 0; i < count; i++) {
                    receiver.receive();
                }
                return null;
            });
        }
        for (Future<Void> done : threads.invokeAll(work)) {
            done.get();
        }
    }
}
