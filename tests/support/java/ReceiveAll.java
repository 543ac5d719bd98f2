// Receives --count messages and prints each as a JSON line: --uri URI --from DESTINATION [--idle-ms MS] [--layout
// int,string,..] (how a bytes message is read) [--user U --password P]. It fails when no message comes in time.

import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQMessage;

public final class ReceiveAll {
    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Json.endWithStdin();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String from = flags.required("from");
        String layout = flags.text("layout", null);
        int count = flags.integer("count", 1);
        int idle = flags.integer("idle-ms", 10_000);
        flags.done();

        connection.start();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(Messages.destination(from));
        for (int i = 0; i < count; i++) {
            ActiveMQMessage message = (ActiveMQMessage) consumer.receive(idle);
            if (message == null) {
                throw new IllegalStateException("message " + i + " of " + count + " did not come in " + idle + " ms");
            }
            Json.print(Messages.describe(message, layout));
        }
        connection.close();
        System.exit(0);
    }
}
