// Sends a sequence, each message with the properties pid and seq: --uri URI --to DESTINATION --count N [--size BYTES]
// [--pid NAME] [--persistent false] [--async] [--log FILE] [--user U --password P]. The log has a line for each message
// whose send has returned.

import java.io.PrintStream;
import javax.jms.DeliveryMode;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;

public final class Produce {
    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Json.endWithStdin();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String to = flags.required("to");
        String pid = flags.text("pid", "java-" + ProcessHandle.current().pid());
        int count = flags.integer("count", 1);
        String body = "x".repeat(flags.integer("size", 100));
        boolean persistent = flags.flag("persistent", true);
        connection.setUseAsyncSend(flags.flag("async", false));
        String log = flags.text("log", null);
        flags.done();

        PrintStream sent = log == null ? null : new PrintStream(log);
        connection.start();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(Messages.destination(to));
        producer.setDeliveryMode(persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
        for (long seq = 0; seq < count; seq++) {
            TextMessage message = session.createTextMessage(body);
            message.setStringProperty("pid", pid);
            message.setLongProperty("seq", seq);
            producer.send(message);
            if (sent != null) {
                sent.println(seq);
            }
        }
        connection.close();
        Json.print(Json.object().put("sent", count).put("pid", pid));
        System.exit(0);
    }
}
