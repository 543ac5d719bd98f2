// What scenarios share: connections that are closed, names of their own, and checks.

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import javax.jms.Connection;
import javax.jms.Destination;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import javax.jms.TextMessage;
import javax.jms.Topic;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

final class Lab implements AutoCloseable {
    /** Long enough for anything that is to come. */
    static final long SOON = 10_000;
    /** Long enough for what is not to come. */
    static final long NEVER = 250;

    final String uri;
    private final String name;
    private final List<Connection> connections = new ArrayList<>();

    Lab(String uri, String name) {
        this.uri = uri;
        this.name = name;
    }

    /** The broker's URI with options of the client. */
    ActiveMQConnectionFactory factory(String options) {
        String separator = uri.contains("?") ? "&" : "?";
        ActiveMQConnectionFactory factory =
                new ActiveMQConnectionFactory(options.isEmpty() ? uri : uri + separator + options);
        factory.setTrustAllPackages(true);
        return factory;
    }

    ActiveMQConnection connect(String options) throws JMSException {
        ActiveMQConnection connection = (ActiveMQConnection) factory(options).createConnection();
        connections.add(connection);
        connection.start();
        return connection;
    }

    ActiveMQConnection connect() throws JMSException {
        return connect("");
    }

    /** Not started, so that a client id can be set. */
    ActiveMQConnection named(String clientId) throws JMSException {
        ActiveMQConnection connection = (ActiveMQConnection) factory("").createConnection();
        connections.add(connection);
        connection.setClientID(clientId);
        connection.start();
        return connection;
    }

    Session auto() throws JMSException {
        return connect().createSession(false, Session.AUTO_ACKNOWLEDGE);
    }

    Session transacted() throws JMSException {
        return connect().createSession(true, Session.SESSION_TRANSACTED);
    }

    Queue queue() {
        return new ActiveMQQueue(name);
    }

    Queue queue(String more) {
        return new ActiveMQQueue(name + "." + more);
    }

    Topic topic() {
        return new ActiveMQTopic(name);
    }

    Topic topic(String more) {
        return new ActiveMQTopic(name + "." + more);
    }

    static void send(Session session, Destination to, String... texts) throws JMSException {
        MessageProducer producer = session.createProducer(to);
        for (String text : texts) {
            producer.send(session.createTextMessage(text));
        }
        producer.close();
    }

    static String text(Message message) throws JMSException {
        return message == null ? null : ((TextMessage) message).getText();
    }

    static String receive(MessageConsumer consumer) throws JMSException {
        return text(consumer.receive(SOON));
    }

    static void receives(MessageConsumer consumer, String... texts) throws JMSException {
        for (String text : texts) {
            equal(text, receive(consumer));
        }
    }

    static void nothing(MessageConsumer consumer) throws JMSException {
        equal(null, text(consumer.receive(NEVER)));
    }

    static void equal(Object expected, Object found) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    interface Act {
        void act() throws Exception;
    }

    /** It is refused with this exception. */
    static void refused(Class<? extends Exception> with, Act act) throws Exception {
        try {
            act.act();
        } catch (Exception refusal) {
            check(with.isInstance(refusal), "refused with " + refusal);
            return;
        }
        throw new AssertionError("not refused with " + with.getSimpleName());
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void eventually(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + SOON * 1_000_000;
        while (!condition.holds()) {
            check(System.nanoTime() < deadline, "not in time: " + what);
            Thread.sleep(5);
        }
    }

    @Override
    public void close() {
        for (Connection connection : connections) {
            try {
                connection.close();
            } catch (JMSException gone) {
                // A scenario may have broken it.
            }
        }
    }
}
